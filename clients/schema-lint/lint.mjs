// Lints ../../schema/*.graphql and prints what is wrong, a line each.
import { ESLint } from 'eslint';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: fileURLToPath(new URL('eslint.config.mjs', import.meta.url)),
});
const results = await eslint.lintFiles(['schema/*.graphql']);
for (const { filePath, messages } of results) {
  for (const m of messages) console.log(`${filePath.slice(root.length)}:${m.line}: ${m.message.replaceAll('\n', ' ')} (${m.ruleId})`);
}
const found = results.reduce((n, r) => n + r.messages.length, 0);
console.log(`${results.length} files, ${found} complaints`);
process.exitCode = found > 0 || results.length === 0 ? 1 : 0;
