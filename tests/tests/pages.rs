//! The provider's pages in a real browser: sign-in, consent, denial, sign-out; with the application on the provider's
//! site and on another one, where a page's `form-action` bites.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Router,
    extract::{RawQuery, State},
    response::{Html, Redirect},
    routing::get,
};
use countersign_protocol::{
    ClientId, Denied, Secret, Subject,
    client::{AuthMethod, Client, GrantType},
    form,
};
use countersign_provider::{
    Provider,
    users::{Profile, Users},
};
use tokio::{net::TcpListener, sync::Mutex};

use crate::chromium::Chromium;

const PASSWORD: &str = "correct horse battery staple";

#[derive(Debug)]
pub(crate) struct Alice;

#[async_trait]
impl Users for Alice {
    async fn authenticate(&self, name: &str, secret: &Secret) -> Result<Option<Subject>, Denied> {
        let known = name == "alice" && secret.matches(&Secret::new(PASSWORD));
        Ok(known.then(|| Subject::new("alice")).flatten())
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied> {
        let username = subject.to_string();
        Ok((username == "alice").then_some(Profile::new(username)))
    }
}

/// A provider on `127.0.0.1` and an application under the name of its host, each on a port of its own.
struct World {
    issuer: String,
    application: String,
    /// The queries with which users came back.
    returned: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn with_application_at(host: &str) -> Self {
        let at_provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at_application = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", at_provider.local_addr().unwrap());
        let port = at_application.local_addr().unwrap().port();
        let application = format!("http://{host}:{port}");
        let client = Client {
            client_name: Some("Corner Shop".into()),
            token_endpoint_auth_method: AuthMethod::None,
            redirect_uris: vec![format!("{application}/cb")],
            grant_types: vec![GrantType::AuthorizationCode],
            scope: "profile email".parse().unwrap(),
            ..Client::new(ClientId::new("shop").unwrap())
        };
        let provider =
            Provider::builder(&issuer).clients([client]).users(Alice).build().await.unwrap();
        let returned = Arc::default();
        // The application's own page redirects once more, to an origin that the provider has never heard of.
        let home = format!("http://127.0.0.1:{port}/home");
        let shop = Router::new()
            .route("/cb", get(come_back))
            .route("/home", get(async || Html("<h1>Welcome back</h1>")))
            .route("/", get(front_page))
            .route("/framed", get(framed))
            .with_state((issuer.clone(), application.clone(), home, Arc::clone(&returned)));
        serve(at_provider, provider.router());
        serve(at_application, shop);
        Self { issuer, application, returned }
    }

    /// The parameters with which the user came back last.
    async fn told(&self) -> String {
        self.returned.lock().await.pop().unwrap()
    }
}

type Shop = (String, String, String, Arc<Mutex<Vec<String>>>);

async fn come_back(State(shop): State<Shop>, RawQuery(query): RawQuery) -> Redirect {
    shop.3.lock().await.push(query.unwrap_or_default());
    Redirect::to(&shop.2)
}

async fn front_page(State((issuer, application, ..)): State<Shop>) -> Html<String> {
    let query = query(&application, &[]);
    let address = format!("{issuer}/oauth/authorize?{query}").replace('&', "&amp;");
    Html(format!("<h1>Shop</h1><a href=\"{address}\">Sign in</a>"))
}

async fn framed(State((issuer, application, ..)): State<Shop>) -> Html<String> {
    let query = query(&application, &[]);
    let address = format!("{issuer}/oauth/authorize?{query}").replace('&', "&amp;");
    Html(format!("<h1>Framed</h1><iframe src=\"{address}\"></iframe>"))
}

fn query(application: &str, more: &[(&str, &str)]) -> String {
    let redirect_uri = format!("{application}/cb");
    let pairs = [
        ("response_type", "code"),
        ("client_id", "shop"),
        ("redirect_uri", &redirect_uri),
        ("state", "S"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    form::encode(pairs.into_iter().chain(more.iter().copied()))
}

fn serve(listener: TcpListener, router: Router) {
    tokio::spawn(async move { axum::serve(listener, router).await });
}

async fn sign_in(browser: &Chromium, password: &str) {
    browser.shows("Sign in").await;
    browser.fill("username", "alice").await;
    browser.fill("password", password).await;
    browser.answer("yes").await;
}

async fn goes_all_the_way(host: &str) {
    let world = World::with_application_at(host).await;
    let browser = Chromium::start().await;
    browser.client.goto(&world.application).await.unwrap();
    browser.click("a").await;
    sign_in(&browser, "wrong").await;
    sign_in(&browser, PASSWORD).await;

    browser.shows("Allow Corner Shop?").await;
    browser.answer("no").await;
    browser.shows("Welcome back").await;
    let told = world.told().await;
    assert!(told.starts_with("error=access_denied&state=S&iss="), "{told}");

    browser.client.goto(&world.application).await.unwrap();
    browser.click("a").await;
    browser.shows("Allow Corner Shop?").await;
    browser.answer("yes").await;
    browser.shows("Welcome back").await;
    let told = world.told().await;
    assert!(told.starts_with("code=cs_ac_"), "{told}");

    // Agreed: nothing is asked, and a new sign-in leads straight back.
    browser.client.goto(&world.application).await.unwrap();
    browser.click("a").await;
    browser.shows("Welcome back").await;
    let again = query(&world.application, &[("prompt", "login")]);
    let address = format!("{}/oauth/authorize?{again}", world.issuer);
    browser.client.goto(&address).await.unwrap();
    sign_in(&browser, PASSWORD).await;
    browser.shows("Welcome back").await;
    assert!(world.told().await.starts_with("code=cs_ac_"));
    assert!(world.told().await.starts_with("code=cs_ac_"));
    assert_eq!(world.returned.lock().await.len(), 0);

    let logout = format!("{}/oauth/logout", world.issuer);
    browser.client.goto(&logout).await.unwrap();
    browser.shows("Sign out?").await;
    browser.answer("no").await;
    browser.shows("You are still signed in").await;
    browser.client.goto(&logout).await.unwrap();
    browser.answer("yes").await;
    browser.shows("You are signed out").await;
    browser.client.goto(&world.application).await.unwrap();
    browser.click("a").await;
    browser.shows("Sign in").await;
}

#[tokio::test]
async fn people_go_all_the_way_to_an_application_on_another_site() {
    goes_all_the_way("localhost").await;
}

#[tokio::test]
async fn people_go_all_the_way_to_an_application_on_the_same_site() {
    goes_all_the_way("127.0.0.1").await;
}

/// L6 and L7: no page is shown in a frame, and its own style is not held back by its policy.
#[tokio::test]
async fn a_page_is_styled_and_not_framed() {
    let world = World::with_application_at("localhost").await;
    let browser = Chromium::start().await;
    let framed = format!("{}/framed", world.application);
    browser.client.goto(&framed).await.unwrap();
    browser.shows("Framed").await;
    browser.client.enter_frame(0).await.unwrap();
    let source = browser.client.source().await.unwrap();
    assert!(!source.contains("password"), "{source}");
    browser.client.goto(&world.application).await.unwrap();
    browser.click("a").await;
    browser.shows("Sign in").await;
    let radius = "return getComputedStyle(document.querySelector('main')).borderTopLeftRadius";
    let radius = browser.client.execute(radius, vec![]).await.unwrap();
    assert_eq!(radius, "16px");
    let focused = "return document.activeElement.name";
    assert_eq!(browser.client.execute(focused, vec![]).await.unwrap(), "username");
}

/// On loopback a page asked for by another name of the listener is shown under the issuer's.
#[tokio::test]
async fn another_name_of_the_listener_leads_to_the_issuer() {
    let world = World::with_application_at("127.0.0.1").await;
    let browser = Chromium::start().await;
    let other = world.issuer.replace("127.0.0.1", "localhost");
    let query = query(&world.application, &[]);
    browser.client.goto(&format!("{other}/oauth/authorize?{query}")).await.unwrap();
    sign_in(&browser, PASSWORD).await;
    browser.shows("Allow Corner Shop?").await;
    let url = browser.client.current_url().await.unwrap();
    assert!(url.as_str().starts_with(&world.issuer), "{url}");
}
