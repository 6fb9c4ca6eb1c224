import { useSyncExternalStore } from 'react';

import { onSession, session, signOut } from './session.js';

/** Says who is signed in, beside GraphiQL's tabs. */
export function SessionBar() {
  const { accessToken, email } = useSyncExternalStore(onSession, session);
  return (
    <div className="session-bar">
      <a href="/" title="The start page">
        parley
      </a>
      {accessToken ? (
        <>
          <span className="who" role="status">
            signed in as <b>{email ?? 'somebody'}</b>
          </span>
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </>
      ) : (
        <span className="who nobody" role="status">
          not signed in
        </span>
      )}
    </div>
  );
}
