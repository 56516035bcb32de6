import { useState } from 'preact/hooks';
import type { Session } from '../../../shared/api.ts';
import { post } from '../data/request.ts';

/** Asks for a Kubernetes bearer token. `done` gets the session that the server opened. */
export function LogInView({ done, notice }: { readonly done: (session: Session) => void; readonly notice: string }) {
  const [token, setToken] = useState('');
  const [error, setError] = useState('');
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      const session = await post<Session>('api/login', { token: token.trim() });
      setToken('');
      done(session);
    } catch (problem) {
      setError((problem as Error).message);
      setBusy(false);
    }
  };
  return (
    <main class="login" id="main">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1>Log in to Beskar7</h1>
        {notice && (
          <p class="note warn" role="status">
            {notice}
          </p>
        )}
        <p class="muted">
          With a Kubernetes token. You see and may do what that token may: the API server decides. The token is kept in
          the server’s memory, and not in this browser.
        </p>
        <label class="field">
          <span>Bearer token</span>
          <textarea
            name="token"
            required
            spellcheck={false}
            autocomplete="off"
            class="mono"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        {error && (
          <p class="note bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? 'Asking the API server …' : 'Log in'}
        </button>
        <p class="muted">
          Get one: <code>kubectl create token my-account -n my-namespace</code>
        </p>
      </form>
    </main>
  );
}
