// Words and entities from a model of single characters that `lexel export` wrote, decoded as Lexel decodes them.
//
//   const tagger = await Tagger.load(ort, "model");
//   const { words, entities } = await tagger.read("王小明在台北。");
//
// Offsets count code points, as in Python. A text longer than the model's window is cut behind a full stop where possible.

const IDEOGRAPH = /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{323af}]/u;
const LATIN_OR_DIGIT = /[0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]/u;
const STOP = /[。！？；!?;\n]/u;

export class Tagger {
  /** Load a folder that was exported with --joint; `precision` is "float32" or "int8". */
  static async load(ort, folder, { precision = "float32" } = {}) {
    const file = precision === "int8" ? "model_quantized.onnx" : "model.onnx";
    const json = async (name) => (await fetch(`${folder}/${name}`)).json();
    const [{ heads }, config, tokenizer, session] = await Promise.all([
      json("lexel.json"),
      json("config.json"),
      json("tokenizer.json"),
      ort.InferenceSession.create(`${folder}/onnx/${file}`),
    ]);
    return new Tagger(ort, session, new Pieces(tokenizer), heads, config.max_position_embeddings);
  }

  constructor(ort, session, pieces, heads, maxLength) {
    Object.assign(this, { ort, session, pieces, words: heads.words, entities: heads.entities, maxChars: maxLength - 2 });
  }

  async read(text) {
    const chars = [...text];
    const found = { words: [], entities: [] };
    for (const [start, end] of windows(chars, this.maxChars)) {
      const { words, entities } = await this.readWindow(chars.slice(start, end));
      const shifted = (part) => ({ ...part, start: part.start + start, end: part.end + start });
      found.words.push(...words.map(shifted));
      found.entities.push(...entities.map(shifted));
    }
    return found;
  }

  async readWindow(chars) {
    const { words, entities } = await this.scores(chars);
    const [begin, inside] = ["B", "I"].map((label) => this.words.labels.indexOf(label));
    const border = this.words.tuned?.script_border ?? 0;
    const odds = words.map((scores, i) => scores[begin] - scores[inside] + (i && meet(chars[i - 1], chars[i]) ? border : 0));
    const tags = decode(entities, this.entities.labels, odds);
    const begins = odds.map((value, i) => i === 0 || value > 0 || (tags[i] !== tags[i - 1] && isEdge(this.entities.labels, tags[i - 1], tags[i])));
    return { words: cut(chars, begins), entities: this.spans(chars, entities, tags) };
  }

  /** The scores of both heads, one array of labels a character. */
  async scores(chars) {
    const ids = this.pieces.encode(chars);
    const tensor = (values) => new this.ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
    const zeros = ids.map(() => 0);
    const inputs = { input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)), token_type_ids: tensor(zeros) };
    const { words, entities } = await this.session.run(inputs, ["words", "entities"]);
    const rows = ({ data, dims: [, , size] }) => chars.map((_, i) => data.slice((i + 1) * size, (i + 2) * size));
    return { words: rows(words), entities: rows(entities) };
  }

  /** Entities whose calibrated score is at least the model's least one. */
  spans(chars, scores, tags) {
    const { labels, tuned } = this.entities;
    const found = [];
    for (let start = 0; start < chars.length; start++) {
      if (labels[tags[start]] === "O") continue;
      let end = start + 1;
      while (end < chars.length && !isEdge(labels, tags[end - 1], tags[end])) end++;
      let total = 0;
      for (let i = start; i < end; i++) total += probability(scores[i], tags[i]);
      const score = calibrated(total / (end - start), tuned ?? {});
      let [first, last] = [start, end];
      while (first < last && isSpace(chars[first])) first++;
      while (first < last && isSpace(chars[last - 1])) last--;
      if (first < last && score >= (tuned?.min_score ?? 0)) {
        found.push({ start: first, end: last, text: chars.slice(first, last).join(""), label: labels[tags[start]].slice(2), score });
      }
      start = end - 1;
    }
    return found;
  }
}

/** Every character as one piece, as tokenizer.json says. */
class Pieces {
  constructor({ model, normalizer, added_tokens: added, post_processor: template }) {
    this.vocab = new Map(Object.entries(model.vocab));
    this.unknown = this.vocab.get(model.unk_token) ?? added.find((token) => token.content === model.unk_token).id;
    this.folds = new Map((normalizer?.normalizers ?? []).map((one) => [one.pattern.String, one.content]));
    const special = (part) => (part.SpecialToken ? template.special_tokens[part.SpecialToken.id].ids : null);
    const [prefix, suffix] = [template.single[0], template.single.at(-1)].map(special);
    Object.assign(this, { prefix, suffix });
  }

  encode(chars) {
    const ids = chars.map((char) => this.vocab.get(this.folds.get(char) ?? char) ?? this.unknown);
    return [...this.prefix, ...ids, ...this.suffix];
  }
}

/** The best BIO tags among those in which an entity's edge pays for a word that it cuts. */
function decode(scores, labels, odds) {
  let worths = [...scores[0]].map((score, tag) => (labels[tag].startsWith("I-") ? -Infinity : score));
  const origins = [];
  for (let i = 1; i < scores.length; i++) {
    const price = Math.min(odds[i], 0);
    const [best, origin] = [[], []];
    for (let tag = 0; tag < labels.length; tag++) {
      let [most, from] = [-Infinity, 0];
      for (let before = 0; before < labels.length; before++) {
        if (!isAllowed(labels[before], labels[tag])) continue;
        const worth = worths[before] + (isEdge(labels, before, tag) ? price : 0);
        if (worth > most) [most, from] = [worth, before];
      }
      best.push(most + scores[i][tag]);
      origin.push(from);
    }
    worths = best;
    origins.push(origin);
  }
  const path = [worths.indexOf(Math.max(...worths))];
  for (const origin of origins.reverse()) path.unshift(origin[path[0]]);
  return path;
}

function isAllowed(before, after) {
  return !after.startsWith("I-") || (before !== "O" && before.slice(2) === after.slice(2));
}

/** Whether an entity begins or ends between two tags. */
function isEdge(labels, before, after) {
  if (labels[before] === "O" && labels[after] === "O") return false;
  return !(labels[after].startsWith("I-") && isAllowed(labels[before], labels[after]));
}

/** Words that tile the text; white space ends one and is in none. */
function cut(chars, begins) {
  const words = [];
  for (let i = 0; i < chars.length; i++) {
    if (isSpace(chars[i])) continue;
    if (begins[i] || i === 0 || isSpace(chars[i - 1])) words.push({ start: i, end: i });
    words.at(-1).end = i + 1;
  }
  return words.map((word) => ({ ...word, text: chars.slice(word.start, word.end).join("") }));
}

function* windows(chars, size) {
  for (let start = 0; start < chars.length; ) {
    let end = Math.min(start + size, chars.length);
    if (end < chars.length) {
      let stop = end;
      while (stop > start && !STOP.test(chars[stop - 1])) stop--;
      if (stop > start) end = stop;
    }
    yield [start, end];
    start = end;
  }
}

function meet(before, after) {
  return (IDEOGRAPH.test(before) && LATIN_OR_DIGIT.test(after)) || (LATIN_OR_DIGIT.test(before) && IDEOGRAPH.test(after));
}

function isSpace(char) {
  return /\s/u.test(char);
}

function probability(scores, tag) {
  const most = Math.max(...scores);
  return Math.exp(scores[tag] - most) / scores.reduce((sum, score) => sum + Math.exp(score - most), 0);
}

function calibrated(score, { scale = 1, shift = 0 }) {
  const clipped = Math.min(Math.max(score, 1e-7), 1 - 1e-7);
  return 1 / (1 + Math.exp(-(scale * Math.log(clipped / (1 - clipped)) + shift)));
}
