import * as ort from "./vendor/ort.wasm.min.mjs";
import { Tagger } from "./tagger.js";

ort.env.wasm.wasmPaths = new URL("./vendor/", import.meta.url).href;
ort.env.wasm.numThreads = 1;

const [text, status, shown] = ["text", "status", "words"].map((id) => document.getElementById(id));
const precision = new URLSearchParams(location.search).get("precision") ?? "float32";
let latest = 0;

async function show(tagger) {
  const mine = ++latest;
  const started = performance.now();
  const { words, entities } = await tagger.read(text.value);
  if (mine !== latest) return;
  shown.replaceChildren();
  let marked = null;
  for (const word of words) {
    const entity = entities.find((one) => one.start < word.end && word.start < one.end);
    if (entity && entity !== marked) {
      const mark = document.createElement("mark");
      mark.append(Object.assign(document.createElement("small"), { textContent: entity.label }));
      shown.append(mark);
    }
    const element = Object.assign(document.createElement("span"), { textContent: word.text });
    if (entity) shown.lastChild.lastChild.before(element);
    else shown.append(element);
    marked = entity;
  }
  status.textContent = `${words.length} words, ${entities.length} entities in ${Math.round(performance.now() - started)} ms`;
}

try {
  const tagger = await Tagger.load(ort, "model", { precision });
  window.tagger = tagger;
  let queue = Promise.resolve();
  const read = () => (queue = queue.then(() => show(tagger)));
  text.addEventListener("input", read);
  await read();
} catch (error) {
  status.textContent = `The model could not be loaded: ${error.message}. Run setup.sh first.`;
}
