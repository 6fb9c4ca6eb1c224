// Serves a PGlite in memory that has pgvector: node server.mjs PORT.
// All connections are one session, so that clients use one at a time. A second
// one may only come while the first is being closed.
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";

const db = await PGlite.create({ extensions: { vector } });
const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: Number(process.argv[2]), maxConnections: 4 });
server.addEventListener("error", (event) => console.error(event.detail));
process.on("SIGTERM", async () => {
  await server.stop();
  await db.close();
  process.exit(0);
});
await server.start();
