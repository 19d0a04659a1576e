"""The options of the commands, one dataclass per group, so that all commands share the same names.

Each option can be set by a ``LEXEL_*`` variable; the command line has priority. The choices repeat tables of modules
that are too heavy to import before arguments are parsed; a test compares them.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer

from lexel.names import OnError as OnErrorName
from lexel.names import OnErrorOrFile as OnErrorOrFileName
from lexel.names import Pieces as PiecesName

_MODEL, _INPUT, _OUTPUT, _READING, _COMPUTING, _TALKING = "Model", "Input", "Output", "Reading", "Computing", "Messages"

EngineName = Literal["auto", "openvino", "onnxruntime", "torch", "numpy"]
PrecisionName = Literal["auto", "float32", "bf16", "int8", "float16", "float64"]
DecodeName = Literal["viterbi", "argmax"]
SnapName = Literal["grapheme"]
OffsetsName = Literal["char", "utf16", "byte"]
ScriptName = Literal["simplified", "traditional", "as-is"]
InputFormat = Literal[
    "text", "segmented", "conll", "conllu", "jsonl", "csv", "tsv", "parquet",
    "hugging-face", "label-studio", "doccano", "prodigy", "cluener",
    "spacy", "brat", "ontonotes", "conll2012", "uner", "germeval", "webanno", "fasttext",
]  # fmt: skip
OutputFormat = Literal[
    "text", "segmented", "conll", "conllu", "jsonl", "csv", "tsv", "parquet",
    "hugging-face", "label-studio", "doccano", "prodigy", "cluener",
    "spacy", "brat", "ontonotes", "conll2012", "uner", "germeval", "webanno", "fasttext", "html", "terminal",
]  # fmt: skip


def option(name: str, *others: str, panel: str, help: str, value: str = "", **more: Any) -> Any:
    """An option that can also be set by a variable: ``--batch-pieces`` by ``LEXEL_BATCH_PIECES``."""
    variable = "LEXEL" + name.partition("/")[0].removeprefix("-").replace("-", "_").upper()
    return typer.Option(
        name,
        *others,
        envvar=variable,
        show_envvar=False,
        show_default=False,
        metavar=value,
        help=help,
        rich_help_panel=panel,
        **more,
    )


def choices(names: Any) -> str:
    """The names of a ``Literal``, for the help."""
    return ", ".join(get_args(names))


def format_option(names: Any, *, otherwise: str = "by the ending of --out, else as described above") -> Any:
    """``--to`` with the formats of a command."""
    return option("--to", panel=_OUTPUT, value="FORMAT", help=f"{choices(names)}. Default: {otherwise}.")


# Options that stand in several groups ---------------------------------------------------------------------------------

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILES", help="Files to read, also .gz, .xz, .bz2 or .zst. - or no file: standard input."),
]
ModelName = Annotated[
    str | None,
    option(
        "--model",
        "-m",
        panel=_MODEL,
        value="MODEL",
        help="Folder, hub id, or bundled model: zh (default), zh-fast, en.",
    ),
]
ModelRevision = Annotated[
    str | None,
    option("--revision", panel=_MODEL, value="REV", help="Branch, tag or commit of --model on the hub."),
]


def _demand_lock(is_asked: bool) -> bool:
    """Require that every model of this process is in the lock file."""
    if is_asked:
        os.environ["LEXEL_LOCKED"] = "1"
    return is_asked


Locked = Annotated[
    bool,
    option("--locked", panel=_MODEL, callback=_demand_lock, help="Refuse models that differ from lexel.lock."),
]
Expect = Annotated[
    str | None,
    option(
        "--expect",
        panel=_MODEL,
        value="A,B,...",
        help="Labels that your program expects, or a mapping file (.json). Models with other labels are refused.",
    ),
]
Pieces = Annotated[
    PiecesName | None,
    option("--pieces", panel=_MODEL, value="KIND", help=f"Override what the model reads: {choices(PiecesName)}."),
]
Encoding = Annotated[
    str,
    option(
        "--encoding", panel=_INPUT, value="NAME", help="Encoding of the input. Default: utf-8. Output is always UTF-8."
    ),
]
MaxChars = Annotated[
    int | None, option("--max-chars", panel=_INPUT, value="N", min=1, help="Reject records with more characters.")
]
TextColumn = Annotated[
    str,
    option(
        "--text-column",
        "--text-field",
        panel=_INPUT,
        value="NAME",
        help="Column of the text in tables and JSON. Default: text.",
    ),
]
IdColumn = Annotated[
    str, option("--id-column", panel=_INPUT, value="NAME", help="Column of the record id. Default: id.")
]
OnError = Annotated[
    OnErrorName,
    option(
        "--on-error",
        panel=_INPUT,
        value="RULE",
        help="On bad records: stop (default), skip and count them, or repair what can be repaired.",
    ),
]
OnErrorOrFile = Annotated[
    OnErrorOrFileName,
    option(
        "--on-error",
        panel=_INPUT,
        value="RULE",
        help="On bad records: stop (default), skip and count them, repair what can be repaired, or file: skip them and "
        "write them to OUT.errors.jsonl.",
    ),
]
Out = Annotated[
    str | None,
    option("--out", "-o", panel=_OUTPUT, value="FILE", help="Output file. It appears when it is complete."),
]
Offsets = Annotated[
    OffsetsName,
    option("--offsets", panel=_OUTPUT, value="UNIT", help=f"Unit of offsets: {choices(OffsetsName)}. Default: char."),
]
LineBuffered = Annotated[
    bool, option("--line-buffered", panel=_OUTPUT, help="Write each result before reading the next record (slower).")
]
Ignore = Annotated[
    str | None,
    option("--ignore", panel=_READING, value="A,B,...", help="Leave out entities with these labels."),
]
Script = Annotated[
    ScriptName,
    option(
        "--script",
        panel=_READING,
        value="NAME",
        help=f"Convert text to the Chinese script of the model: {choices(ScriptName)}. Offsets do not change.",
    ),
]
Revision = Annotated[
    str | None, option("--revision", panel="Options", value="REV", help="Branch, tag or commit on the hub.")
]


# Groups ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The checkpoint."""

    model: ModelName = None
    revision: ModelRevision = None
    words: Annotated[str | None, option("--words", panel=_MODEL, value="MODEL", help="A separate model for words.")] = (
        None
    )
    expect: Expect = None
    locked: Locked = False


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """The checkpoint, for commands that need no labels."""

    model: ModelName = None
    revision: ModelRevision = None
    pieces: Pieces = None
    locked: Locked = False


@dataclass(frozen=True, slots=True)
class HeadOptions(EncoderOptions):
    """The checkpoint and the head."""

    head: Annotated[
        str | None, option("--head", panel=_MODEL, value="NAME", help="Which head to use, if the model has several.")
    ] = None


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """Separate checkpoints for the other layers."""

    pos: Annotated[str | None, option("--pos", panel=_MODEL, value="MODEL", help="A separate model for tags.")] = None
    entities: Annotated[
        str | None, option("--entities", panel=_MODEL, value="MODEL", help="A separate model for entities.")
    ] = None


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """Labels and pieces of a checkpoint, if its config does not name them."""

    scheme: Annotated[
        str | None,
        option(
            "--scheme", panel=_MODEL, value="NAME", help="Override the scheme of the model's labels (BIO, BMES, ...)."
        ),
    ] = None
    labels: Annotated[
        str | None,
        option(
            "--labels", panel=_MODEL, value="A,B,...", help="Override the model's labels, in the order of its outputs."
        ),
    ] = None
    pieces: Pieces = None


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How the input is read."""

    from_: Annotated[
        InputFormat | None,
        option(
            "--from",
            panel=_INPUT,
            value="FORMAT",
            help=f"{choices(InputFormat)}. Default: by the file ending, else text with one record per line.",
        ),
    ] = None
    text_column: TextColumn = "text"
    id_column: IdColumn = "id"
    encoding: Encoding = "utf-8"
    max_chars: MaxChars = None
    on_error: OnErrorOrFile = "stop"


@dataclass(frozen=True, slots=True)
class PlainInputOptions(InputOptions):
    """The same, for commands that write no file of bad records."""

    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """The output of results, and its format."""

    to: Annotated[OutputFormat | None, format_option(OutputFormat)] = None
    out: Out = None
    keep: Annotated[
        str,
        option(
            "--keep",
            panel=_OUTPUT,
            value="NAMES",
            help="Other columns to copy to the output: all (default), none, or names A,B,...",
        ),
    ] = "all"
    offsets: Offsets = "char"
    line_buffered: LineBuffered = False
    follow: Annotated[
        bool, option("--follow", panel=_INPUT, help="Keep reading lines that are added to the file, like tail -F.")
    ] = False


@dataclass(frozen=True, slots=True)
class PartsOptions:
    """How one file is read in parts."""

    workers: Annotated[
        int | None,
        option(
            "--workers",
            panel=_COMPUTING,
            value="N",
            min=1,
            help="Read one file with N processes, which share the threads. Default: 1. Needs --out.",
        ),
    ] = None
    resume: Annotated[
        bool,
        option(
            "--resume",
            panel=_COMPUTING,
            help="Keep finished parts in OUT.parts until --out is complete. After a kill, run the same command again.",
        ),
    ] = False

    @property
    def in_parts(self) -> bool:
        """Whether to read the file in parts."""
        return self.resume or self.workers is not None


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How scores become words."""

    decode: Annotated[
        DecodeName,
        option(
            "--decode",
            panel=_READING,
            value="RULE",
            help="viterbi (default): the best valid sequence of labels. argmax: the best label of each piece.",
        ),
    ] = "viterbi"
    lexicon: Annotated[
        str | None,
        option("--lexicon", panel=_READING, value="FILE", help="File of words to force or prefer."),
    ] = None
    snap: Annotated[
        SnapName | None,
        option(
            "--snap",
            panel=_READING,
            value="UNIT",
            help="grapheme: keep emoji with joiners, flags and letters with marks in one word and one entity.",
        ),
    ] = None
    script: Script = "as-is"


@dataclass(frozen=True, slots=True)
class TagOptions:
    """How words, tags and entities fit together."""

    given_words: Annotated[
        bool, option("--given-words", panel=_READING, help="Tag the words of the input instead of finding words.")
    ] = False
    entities_on_words: Annotated[
        bool, option("--entities-on-words", panel=_READING, help="Widen entities to whole words.")
    ] = False
    min_score: Annotated[
        float | None,
        option(
            "--min-score",
            panel=_READING,
            value="SCORE",
            min=0,
            max=1,
            help="Drop entities with a lower score. Default: the model's own threshold. 0 keeps all.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """The engine and its settings."""

    engine: Annotated[
        EngineName,
        option(
            "--engine",
            panel=_COMPUTING,
            value="NAME",
            help=f"{choices(EngineName)}; auto: openvino, or onnxruntime for an exported folder.",
        ),
    ] = "auto"
    precision: Annotated[
        PrecisionName,
        option(
            "--precision",
            panel=_COMPUTING,
            value="NAME",
            help=f"{choices(PrecisionName)}. auto: int8 if the model has it, else bf16 if native, else float32.",
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        option("--threads", panel=_COMPUTING, value="N", min=1, help="Number of threads. Default: all physical cores."),
    ] = None
    device: Annotated[
        str | None,
        option(
            "--device", panel=_COMPUTING, value="NAME", help="cpu, cuda, cuda:N, or several, such as cuda:0,cuda:1."
        ),
    ] = None
    batch_pieces: Annotated[
        int | None,
        option(
            "--batch-pieces",
            panel=_COMPUTING,
            value="N",
            min=1,
            help="Maximum number of pieces (subword tokens) per batch.",
        ),
    ] = None

    @property
    def loading(self) -> dict[str, Any]:
        """The keywords that every ``load`` takes."""
        return {field.name: getattr(self, field.name) for field in fields(ComputeOptions)}


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """Which messages go to standard error."""

    quiet: Annotated[bool, option("--quiet", "-q", panel=_TALKING, help="Print errors only.")] = False
    debug: Annotated[bool, option("--debug", panel=_TALKING, help="Print a traceback with each error.")] = False


def grouped(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options; typer sees their fields as parameters of the command."""
    groups: dict[str, Any] = {}
    flat: list[inspect.Parameter] = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        group = parameter.annotation
        if is_dataclass(group):
            groups[parameter.name] = group
            hints = get_type_hints(group, include_extras=True)
            flat += [
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if field.default is MISSING else field.default,
                    annotation=hints[field.name],
                )
                for field in fields(group)
            ]
        else:
            flat.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(function)
    def command(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        function(**values)

    vars(command)["__signature__"] = inspect.Signature(flat)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return command
