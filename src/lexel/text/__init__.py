"""From text to pieces with exact offsets, and back: tokenizers, alignment, windows, sentences.

tokenizer.py          a folder's tokenizer over the tokenizers library: any text to pieces with offsets
char_tokenizer.py     the same face over single characters: a table look-up
tokenizer_files.py    what the tokenizer files of ten years say
pieces.py             the shapes these share: Pieces, SpecialPieces, Tokenizer
alignment.py          characters of a batch, which piece covers each, other offset units
windows.py            long texts as overlapping windows that decide each piece once
sentences.py          sentences by rule
"""
