#!/usr/bin/env bash
# pgvector takes any value for its settings on a connection that has not used it yet.
#
# Expected: SET hnsw.iterative_scan to a word that it doesn't have is refused, as it is on a
#           connection that has compared vectors before.
# Happens:  Until the connection uses a vector for the first time, the setting is only a name
#           with a prefix: SET succeeds and SHOW repeats the word. The first use loads the
#           library, which drops the word with a warning: from then on the setting is off.
# Matters:  A pool that sets it on each new connection, with a misspelt value, runs every
#           search without iterative scans: filters starve, and no statement has failed.
#
# Versions: @electric-sql/pglite 0.5.14 with pglite-pgvector 0.0.15 (pgvector 0.8.7).
# Seen on 2026-11-29.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" @electric-sql/pglite@0.5.14 @electric-sql/pglite-pgvector@0.0.15 >/dev/null

cat >try.mjs <<'JS'
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';

const folder = process.env.WORK + '/data';
const first = await PGlite.create(folder, { extensions: { vector } });
await first.exec('CREATE EXTENSION vector');
const { rows: [{ v: version }] } = await first.query("SELECT extversion AS v FROM pg_extension WHERE extname = 'vector'");
await first.close();

// A new session on the same data, in which nothing was loaded yet.
const db = await PGlite.create(folder, { extensions: { vector } });
const attempt = async (sql) => {
  try {
    return (await db.query(sql)).rows[0] ?? 'accepted';
  } catch (e) {
    return `refused: ${e.message}`;
  }
};
const seen = {
  version,
  before: await attempt("SET hnsw.iterative_scan = 'strickt_order'"),
  shown: (await db.query('SHOW hnsw.iterative_scan')).rows[0]['hnsw.iterative_scan'],
  used: await attempt("SELECT '[1,2]'::vector <-> '[1,3]'::vector AS distance"),
  then: (await db.query('SHOW hnsw.iterative_scan')).rows[0]['hnsw.iterative_scan'],
  after: await attempt("SET hnsw.iterative_scan = 'strickt_order'"),
};
console.log(seen);
await db.close();
const as = seen.before === 'accepted' && seen.shown === 'strickt_order' && seen.then === 'off' && String(seen.after).startsWith('refused');
if (!as) {
  console.error('Not as described any more.');
  process.exit(1);
}
JS
WORK=$work node try.mjs
