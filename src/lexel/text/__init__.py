"""Turns text into pieces with exact offsets, and back: tokenizers, alignment, windows, sentences.

tokenizer.py          a folder's tokenizer on the tokenizers library: any text to pieces with offsets
char_tokenizer.py     the same interface for single characters: a table look-up
tokenizer_files.py    reads the tokenizer files of ten years
pieces.py             the shared types: Pieces, SpecialPieces, Tokenizer
alignment.py          characters of a batch, the piece that covers each, other offset units
windows.py            long texts as overlapping windows that decide each piece once
sentences.py          sentences by rule
"""
