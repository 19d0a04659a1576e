"use strict";
// The page's words in English and Chinese.

const WORDS = {
  en: {
    skip: "Skip to the result", model: "Model", theme: "Theme", api: "API", question: "Question", text: "Text",
    others: "Texts to compare, one per line", lexicon: "Lexicon, words separated by spaces", script: "Read as",
    "as-is": "as it is", simplified: "simplified Chinese", traditional: "traditional Chinese", threshold: "Minimum score of entities",
    labels: "Labels, separated by commas (zero-shot)", best: "Number of results", run: "Run", "copy-json": "Copy JSON",
    "copy-curl": "Copy curl", "copy-python": "Copy Python", copied: "Copied", reading: "Reading …", none: "Nothing found.",
    tag: "Words & entities", segment: "Words", classify: "Classify", fill: "Fill", answer: "Answer", embed: "Embed",
    similarity: "Similarity", score: "score", "score-head": "Score", took: (ms) => `${ms} ms`, failed: "The server did not answer.",
    numbers: (n) => `${n} numbers`, entities: "Entities", entity: "Entity", type: "Type", place: "Characters",
  },
  zh: {
    skip: "跳到结果", model: "模型", theme: "主题", api: "接口", question: "问题", text: "文本",
    others: "要比较的文本，一行一条", lexicon: "词典，词以空格分隔", script: "按何种字形读",
    "as-is": "原样", simplified: "简体", traditional: "繁体", threshold: "实体最低分数",
    labels: "标签，以逗号分隔（零样本）", best: "数量", run: "运行", "copy-json": "复制 JSON",
    "copy-curl": "复制 curl", "copy-python": "复制 Python", copied: "已复制", reading: "正在读取……", none: "没有结果。",
    tag: "词与实体", segment: "分词", classify: "分类", fill: "填空", answer: "问答", embed: "向量",
    similarity: "相似度", score: "分数", "score-head": "分数", took: (ms) => `${ms} 毫秒`, failed: "服务器没有应答。",
    numbers: (n) => `${n} 个数`, entities: "实体", entity: "实体", type: "类型", place: "字符",
  },
};
