"""Authlib as a client of the provider: code, password, client credentials, refresh, introspection, revocation.

Gets a JSON object by its argument; shows the authorization URL and reads where the user came back to. Each step is
checked here: it ends with an error where the two disagree.
"""

import json
import sys

from authlib.integrations.requests_client import OAuth2Session

given = json.loads(sys.argv[1])
issuer, api = given["issuer"], given["api"]
web = dict(client_id="web", client_secret=given["secret"], scope="profile")
metadata = OAuth2Session().get(f"{issuer}/.well-known/oauth-authorization-server", withhold_token=True).json()
assert metadata["issuer"] == issuer, metadata
token_endpoint = metadata["token_endpoint"]


def check(session, token):
    assert token["token_type"].lower() == "bearer", token
    assert 0 < token["expires_in"] <= 600, token
    answer = session.get(api)
    assert answer.status_code == 200, answer.text


def refresh(session, token):
    refreshed = session.refresh_token(token_endpoint, refresh_token=token["refresh_token"])
    assert refreshed["access_token"] != token["access_token"], refreshed
    check(session, refreshed)
    return refreshed


# Authorization code with PKCE.
session = OAuth2Session(**web, redirect_uri=given["redirect_uri"], code_challenge_method="S256")
verifier = "a-verifier-of-more-than-forty-three-characters-0123456789"
url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
print(url, flush=True)
back = sys.stdin.readline().strip()
token = session.fetch_token(token_endpoint, authorization_response=back, code_verifier=verifier, state=state)
check(session, token)
refreshed = refresh(session, token)
introspected = session.introspect_token(
    metadata["introspection_endpoint"], token=refreshed["access_token"]
).json()
assert introspected["active"] is True and introspected["client_id"] == "web", introspected
assert session.revoke_token(metadata["revocation_endpoint"], token=refreshed["refresh_token"]).status_code == 200
assert session.get(api).status_code == 401

# Password.
session = OAuth2Session(**web)
token = session.fetch_token(token_endpoint, grant_type="password", username="alice", password=given["password"])
check(session, token)
refresh(session, token)

# Client credentials.
session = OAuth2Session(client_id="service", client_secret=given["secret"], scope="profile")
check(session, session.fetch_token(token_endpoint, grant_type="client_credentials"))

print("done")
