// A small provider of OpenID Connect: it asks who somebody is, and verifies what a careful one does; on wish it mixes people up. Its key is made at
// its start. Sources: https://openid.net/specs/openid-connect-core-1_0.html, RFC 6749 and RFC 7636.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";

const CLIENT = { id: "pipetrail", secret: "secret-of-the-browser-tests" };

// `people` are claims by name; `redirect` is the one address that browsers are sent back to. It goes by the name of
// localhost, so that it is another site than 127.0.0.1.
export async function startProvider(people, redirect) {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const codes = new Map();
  const refused = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, issuer);
    const route = routes[`${request.method} ${url.pathname}`];
    try {
      if (url.pathname === "/favicon.ico") return response.writeHead(404).end();
      assert.ok(route, `nothing is at ${request.method} ${url.pathname}`);
      await route(url.searchParams, response, request);
    } catch (error) {
      refused.push(error.message);
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_request"}');
    }
  });
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const issuer = `http://localhost:${server.address().port}`;

  const json = (response, value) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));

  const sendBack = (response, asked, said) => {
    const back = new URL(asked.get("redirect_uri"));
    const state = asked.get("who") === "Mix up" ? "another" : asked.get("state");
    Object.entries({ ...said, state }).forEach(([key, value]) => back.searchParams.set(key, value));
    response.writeHead(302, { location: String(back) }).end();
  };

  const isSound = (asked) => {
    assert.equal(asked.get("client_id"), CLIENT.id);
    assert.equal(asked.get("redirect_uri"), redirect);
    assert.equal(asked.get("response_type"), "code");
    assert.equal(asked.get("code_challenge_method"), "S256");
    assert.match(asked.get("code_challenge"), /^[\w-]{43}$/);
    assert.ok(asked.get("scope").split(" ").includes("openid"));
    assert.ok(asked.get("state") && asked.get("nonce"));
  };

  const routes = {
    "GET /.well-known/openid-configuration": (_, response) => json(response, {
      issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys`,
      response_types_supported: ["code"], subject_types_supported: ["pairwise"], id_token_signing_alg_values_supported: ["RS256"],
    }),
    "GET /keys": (_, response) => json(response, {
      keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", use: "sig", alg: "RS256" }],
    }),
    "GET /authorize": (asked, response) => {
      isSound(asked);
      const link = (who) => `<p><a href="/decide?${new URLSearchParams({ ...Object.fromEntries(asked), who })}">${who}</a></p>`;
      const links = [...Object.keys(people), "Cancel", "Mix up"].map(link).join("");
      response.writeHead(200, { "content-type": "text/html" }).end(`<title>Who are you?</title><h1>Who are you?</h1>${links}`);
    },
    "GET /decide": (asked, response) => {
      isSound(asked);
      const who = asked.get("who");
      if (who === "Cancel") return sendBack(response, asked, { error: "access_denied" });
      const code = randomUUID();
      codes.set(code, { who, asked });
      return sendBack(response, asked, { code });
    },
    "POST /token": async (_, response, request) => {
      const shown = Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString("base64");
      assert.equal(request.headers.authorization, `Basic ${shown}`);
      const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
      const { who, asked } = codes.get(form.get("code"));
      // Good once.
      codes.delete(form.get("code"));
      assert.equal(form.get("grant_type"), "authorization_code");
      assert.equal(form.get("redirect_uri"), redirect);
      const challenge = createHash("sha256").update(form.get("code_verifier")).digest("base64url");
      assert.equal(challenge, asked.get("code_challenge"));
      json(response, { access_token: "none", token_type: "Bearer", id_token: idToken(who, asked.get("nonce")) });
    },
  };

  function idToken(who, nonce) {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, aud: CLIENT.id, sub: who, name: who, nonce, iat: now, exp: now + 300, ...people[who] };
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${encode({ alg: "RS256", typ: "JWT", kid: "1" })}.${encode(claims)}`;
    return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), privateKey).toString("base64url")}`;
  }

  const stop = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return { issuer, client: CLIENT, refused, stop };
}
