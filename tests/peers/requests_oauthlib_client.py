"""requests-oauthlib as a client of the provider: code, password, client credentials, refresh.

Gets a JSON object by its argument; shows the authorization URL and reads where the user came back to.
"""

import json
import sys

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

given = json.loads(sys.argv[1])
issuer, api, secret = given["issuer"], given["api"], given["secret"]
metadata = requests.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=10).json()
token_endpoint = metadata["token_endpoint"]
web = HTTPBasicAuth("web", secret)


def check(session, token):
    assert token["token_type"].lower() == "bearer", token
    answer = session.get(api)
    assert answer.status_code == 200, answer.text


def refresh(session, token):
    refreshed = session.refresh_token(token_endpoint, refresh_token=token["refresh_token"], auth=web)
    check(session, refreshed)


session = OAuth2Session("web", redirect_uri=given["redirect_uri"], scope=["profile"], pkce="S256")
url, _ = session.authorization_url(metadata["authorization_endpoint"])
print(url, flush=True)
back = sys.stdin.readline().strip()
token = session.fetch_token(token_endpoint, authorization_response=back, auth=web)
check(session, token)
refresh(session, token)

session = OAuth2Session(client=LegacyApplicationClient("web"), scope=["profile"])
token = session.fetch_token(token_endpoint, username="alice", password=given["password"], auth=web)
check(session, token)
refresh(session, token)

session = OAuth2Session(client=BackendApplicationClient("service"), scope=["profile"])
check(session, session.fetch_token(token_endpoint, auth=HTTPBasicAuth("service", secret)))

print("done")
