import { defineConfig } from 'vite';

// The result is committed, because `go build` alone must give a whole binary.
// Names carry content hashes, so the server lets browsers keep them for ever.
export default defineConfig({
  logLevel: 'warn',
  plugins: [
    {
      // Some licence texts have Windows line ends, which git would change.
      name: 'unix-line-ends',
      enforce: 'post',
      generateBundle: {
        order: 'post',
        handler(_, bundle) {
          const licenses = bundle['licenses.md'];
          licenses.source = licenses.source.toString().replaceAll('\r\n', '\n');
        },
      },
    },
  ],
  base: '/graphiql/',
  build: {
    outDir: '../../internal/server/pages/dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    license: { fileName: 'licenses.md' }, // of the libraries that are bundled
    chunkSizeWarningLimit: 6000,
    rolldownOptions: {
      // "use client" in libraries means nothing in a page without a server part.
      onLog(level, log, handle) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
      },
    },
  },
  worker: { format: 'es' },
});
