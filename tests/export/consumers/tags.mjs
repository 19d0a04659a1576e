// Labels and pieces of texts by transformers.js: node tags.mjs FOLDER DTYPE < texts.json
import { readFileSync } from "node:fs";
import path from "node:path";
import { AutoModelForTokenClassification, AutoTokenizer, env } from "@huggingface/transformers";

const [folder, dtype] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(folder);
const name = path.basename(folder);
const tokenizer = await AutoTokenizer.from_pretrained(name);
const model = await AutoModelForTokenClassification.from_pretrained(name, { dtype });
const found = [];
for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  const inputs = tokenizer(text);
  const { logits } = await model(inputs);
  const size = logits.dims[2];
  const labels = [];
  for (let i = 0; i < logits.dims[1]; i++) {
    const scores = logits.data.slice(i * size, (i + 1) * size);
    labels.push(model.config.id2label[scores.indexOf(Math.max(...scores))]);
  }
  found.push({ ids: Array.from(inputs.input_ids.data, Number), labels });
}
console.log(JSON.stringify(found));
