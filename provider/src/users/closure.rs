//! Users from an async closure.

use std::fmt;

use async_trait::async_trait;
use countersign_protocol::{Denied, Secret, Subject};

use super::{Profile, Users};

/// Users whom an async closure knows: what [`users_fn`] gives.
pub struct UsersFn<F>(F);

/// Users whom an async closure knows. It says whose the name and password are; `None` for any wrong pair.
///
/// Every subject that it ever named stays a user, called by the subject. Where users can be deleted, implement [`Users`].
///
/// ```
/// use countersign_protocol::Subject;
/// use countersign_provider::users::users_fn;
///
/// let users = users_fn(|username, password| async move {
///     let right = username == "ada" && password.matches(&"analytical engine".into());
///     Ok(right.then(|| Subject::new("ada")).flatten())
/// });
/// # let _ = users;
/// ```
pub fn users_fn<F, A>(authenticate: F) -> UsersFn<F>
where
    F: Fn(String, Secret) -> A + Send + Sync,
    A: Future<Output = Result<Option<Subject>, Denied>> + Send,
{
    UsersFn(authenticate)
}

#[async_trait]
impl<F, A> Users for UsersFn<F>
where
    F: Fn(String, Secret) -> A + Send + Sync,
    A: Future<Output = Result<Option<Subject>, Denied>> + Send,
{
    async fn authenticate(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<Option<Subject>, Denied> {
        (self.0)(username.to_owned(), password.clone()).await
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied> {
        Ok(Some(Profile::new(subject.as_str())))
    }
}

impl<F> fmt::Debug for UsersFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsersFn(..)")
    }
}
