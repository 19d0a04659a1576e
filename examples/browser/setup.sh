#!/bin/sh
# Fetches ONNX Runtime for the web and exports the bundled model. Run it once with a network; the page needs none.
# Needs npm, and Lexel with its extra onnx: pip install "lexel[onnx]"
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
mkdir -p vendor
for file in ort.wasm.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm; do
    cp "node_modules/onnxruntime-web/dist/$file" vendor/
done
test -d model || "${LEXEL:-lexel}" export zh model --joint --precision float32,int8
echo "python3 -m http.server --directory examples/browser, then open http://localhost:8000"
