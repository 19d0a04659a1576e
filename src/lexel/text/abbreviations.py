"""Words that decide about a full stop: abbreviations by what may follow them, and words that begin sentences.

All are in lower case and without the last dot. The lists are short on purpose: a word belongs here only if the full
stop after it is common in running text.
"""


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


TITLES = _words(
    "mr mrs ms messrs mme mlle dr drs prof profs st ste rev hon gov sen rep reps gen col lt maj sgt capt cpl cmdr adm",
    "supt insp pres amb mt ft sra srta dña г-н г-жа проф акад им ул",
)
"""If capitalised (Cyrillic ones in either case), these come before a name and never end a sentence."""

CONNECTIVES = _words("vs cf viz e.g i.e eg ie approx ca z.b d.h u.a bzw ggf evtl т.е т.к напр см рис стр")
"""These never end a sentence."""

BEFORE_NUMBERS = _words("no nos nr vol vols fig figs eq eqs sec secs ch chap p pp art arts op ext tel n.º nº")
"""These are abbreviations before a number, and ordinary words otherwise."""

MAYBE_LAST = _words(
    "inc ltd co corp llc plc bros jr sr esq ph.d etc al usw etw dept univ ed eds rd blvd ave г гг т.д т.п др",
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun",
)
"""These end a sentence only before a word that usually begins one; so do initials and dotted letters (``U.S.``)."""

EXCLAIMED_NAMES = _words("yahoo jeopardy wham joomla")
"""Names that contain an exclamation mark."""

BEGINNERS = _words(
    "a an the this that these those it its he she they we i you his her their our my your there here in on at by for",
    "from with without after before when while where why how what who which if although though because since as but",
    "and or so however moreover then thus meanwhile yet not no yes all some many most both each every one two another",
    "other mr mrs ms dr it's he's she's they're we're i'm that's there's don't der die das er sie es wir ich le la les",
    "il elle",
)
"""Words that usually begin a sentence if they are capitalised after a full stop."""

AFTER_ORDINALS = _words(
    "januar jänner februar märz april mai juni juli august september oktober november dezember",
    "maj marts december jahrhundert",
)
"""After a number with a dot these continue the sentence (``am 3. Oktober``)."""
