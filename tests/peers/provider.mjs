// npm oidc-provider as a foreign provider, on the port given, with its own pages for sign-in and consent.
// Tells each grant that it gave, a line each.
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'native',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
  ],
  cookies: { keys: ['only for this test'] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  // So short that the client must refresh.
  ttl: { AccessToken: 2, Grant: 600, Interaction: 600, RefreshToken: 600, Session: 600 },
});
provider.on('grant.success', (ctx) => console.log(`granted ${ctx.oidc.params.grant_type}`));
provider.on('server_error', (_, error) => console.log(`failed ${error.stack}`));
provider.listen(port, '127.0.0.1', () => console.log('ready'));
