// Asks a server with the clients that JavaScript programs use, and prints what they gave as JSON: node clients.mjs URL
import { InferenceClient } from "@huggingface/inference";
import OpenAI from "openai";

const url = process.argv[2];
const text = "臺北市長蔣萬安昨天會見東京來的訪問團。";
const hub = (path = "") => new InferenceClient(undefined, { endpointUrl: url + path });
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const masked = { inputs: "天下的[MASK]", parameters: { top_k: 3 } };
const labels = { inputs: "天下的人", parameters: { candidate_labels: ["new york", "live"] } };

const calls = {
  tokenClassification: () => hub().tokenClassification({ inputs: text }),
  tokenClassificationOfModel: () => hub("/models/zh").tokenClassification({ inputs: text }),
  textClassification: () => hub("/models/joint/pipeline/text-classification").textClassification({ inputs: "天下的人" }),
  zeroShotClassification: () => hub("/models/nli").zeroShotClassification(labels),
  fillMask: () => hub("/models/joint/pipeline/fill-mask").fillMask(masked),
  featureExtraction: () => hub("/models/zh/pipeline/feature-extraction").featureExtraction({ inputs: text }),
  sentenceSimilarity: () =>
    hub("/models/zh").sentenceSimilarity({ inputs: { source_sentence: text, sentences: [text, "天氣"] } }),
  questionAnswering: () =>
    hub("/models/joint").questionAnswering({ inputs: { question: "in", context: "new york live" } }),
  models: async () => (await openai.models.list()).data,
  embeddings: async () => (await openai.embeddings.create({ model: "zh", input: [text, "天氣"] })).data,
  embeddingsAsNumbers: async () =>
    (await openai.embeddings.create({ model: "zh", input: text, encoding_format: "float" })).data,
  tokenIds: async () => (await openai.embeddings.create({ model: "zh", input: [[1, 2, 3]] })).data,
};

const found = {};
for (const [name, call] of Object.entries(calls)) {
  try {
    found[name] = await call();
  } catch (error) {
    found[name] = { error: `${error.name}: ${error.message}`, status: error.status };
  }
}
console.log(JSON.stringify(found));
