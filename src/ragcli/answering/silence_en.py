"""How English clauses say that the sources are silent. Patterns for `ragcli.answering.silence`.

They read one clause at a time, ``\\x01`` in the place of a marker and ``\\x02`` of a quotation. The subject must be
the sources, with a determiner, and the noun must end there: "the information desk" and "documents that do not include
a signature" are none. ``contain``, ``provide`` and their like are also said of things, so that they need an object
that is information wherever the noun is a common one or something is cited.
"""

from __future__ import annotations

import re

_ADJ = (
    r"(?:provided|given|supplied|available|above|retrieved|following|current|attached|listed|cited|numbered|existing"
    r"|same"
    r"|two|three|four|five|other|original|search|source|reference|context|text|input|relevant|related|specific|\x02|\d)"
)
_SHOWN = (
    r"(?:provided|given|supplied|available|above|retrieved|following|attached|listed|cited|existing|search|reference"
    r"|\x02)"
)
_NOUN = (
    r"(?:sources?|documents?|contexts?|passages?|excerpts?|snippets?|materials|references|search results|results"
    r"|extracts?"
    r"|knowledge base|documentation)"
)
_COMMON = r"(?:texts?|articles?|files?|content|information|materials?|data)"
_POST = (
    r"(?:provided|given|supplied|available|above|here|themselves|itself|listed|cited|retrieved|shown|at hand"
    r"|in question"
    r"|you (?:have )?(?:provided|gave|given|shared|supplied|uploaded)(?: to)?(?: me)?"
    r"|(?:that )?(?:I|we) (?:have|was given|were given|have been given)|(?:that )?(?:was|were) (?:provided|given"
    r"|supplied)|to me)"
)
_THE = r"(?:the|these|those|this|that|any of the|any of these|all (?:of )?(?:the|these)|both|either|your|my|any|each)"
_HEAD = (
    rf"(?:{_THE} (?:{_ADJ} ){{0,3}}(?:{_NOUN}|text|article|file)|(?:{_THE} )?(?:{_SHOWN} ){{1,3}}{_COMMON}"
    rf"|(?:the )?{_COMMON}(?= {_POST}))"
)
# Before the patterns read a clause, each mention of the sources in it becomes this one character.
TAG = "\x03"
MENTION = re.compile(rf"\b{_HEAD}s?(?: {_POST}){{0,2}}", re.IGNORECASE)
# Where it is the subject, a negation follows; elsewhere the noun must not go on ("the document package").
SOURCES = (
    rf"{TAG}(?!\s?[-\w])|{TAG}(?= (?:who|what|when|where|how|whether|which|why|about|on|regarding|for|concerning|as"
    rf"|to|either"
    r"|at all|and|or)\b)"
)
SOURCES = f"(?:{SOURCES})"
_INFO = (
    r"(?:information|info|mention|answers?|details?|references?|indications?|evidence|data|discussion|explanations?"
    r"|descriptions?|records?|statements?|specifics|clues?|context)"
)
_KIND = (
    r"(?:any|enough|sufficient|specific|relevant|direct|explicit|further|additional|detailed|clear|such|more|an?|the"
    r"|exact"
    r"|adequate|concrete|useful|pertinent|related|this|that|necessary|needed|required|other|particular|definitive"
    r"|precise)"
)
_INFO_END = (
    r"(?=$|[^\w\s-]| (?:about|on|regarding|of|for|concerning|in|within|from|to|that|provided|given|available|as"
    r"|related|relating"
    r"|pertaining|whether|who|what|when|where|which|why|how|anywhere|here|is|are|was|were|has|have|can|could)\b)"
)
_IT = rf"(?:(?:{_KIND} )*{_INFO}{_INFO_END}|(?:it|this|that|anything)(?=$|\W*$| about| on| regarding| of))"
_ADV = (
    r"(?:explicitly|directly|specifically|clearly|actually|ever|even|seem to|appear to|really|also|otherwise|fully"
    r"|in any way|either)"
)
_NOT = (
    r"(?:do(?:es)?(?: not|n't)|did(?: not|n't)|cannot|can(?: not|'t)|could(?: not|n't)|fail(?:s|ed)? to|never"
    r"|has not|have not|hasn't"
    r"|haven't|neither|nowhere)"
)
_SAYS = (
    r"(?:answer(?:ed)?|mention(?:ed|s)?|say|says|said|specify|specified|state[ds]?|indicate[ds]?|discuss(?:ed)?"
    r"|address(?:ed)?|explain(?:ed)?"
    r"|describe[ds]?|reveal(?:ed)?|disclose[ds]?|tells?|told|clarif(?:y|ied)|touch|refer|identif(?:y|ied)|talk"
    r"|elaborate|speak|note|confirm|make)"
)
_HOLDS = (
    r"(?:contain|include|provide|have(?! to)|give|offer|cover|list|show|support|name|define|report|detail|feature"
    r"|present)s?"
)
_SUBJECTLESS = rf"{_NOT}(?: {_ADV}){{0,2}} (?:{_SAYS}\b|{_HOLDS}\b {_IT})"
_PART = (
    r"(?:mentioned|specified|stated|disclosed|discussed|addressed|described|indicated|answered|explained|listed"
    r"|found|given|revealed|clear|defined)"
)
_HELD = r"(?:provided|included|available|covered|present|contained|reported|known|documented|shown)"
_BE_NOT = (
    r"(?:(?:is|are|was|were)(?: not|n't)|(?:has|have)(?: not|n't) been|not)(?: (?:explicitly|directly|specifically"
    r"|clearly|actually|currently|being|be)){0,2}"
)
_WHERE = (
    r"(?: anywhere| explicitly| directly| specifically| either){0,2} (?:in|by|within|from|on|among|across|using|with"
    r"|based on)(?: any of| either of)? "
)

# Silent whatever else the clause holds.
SURE = re.compile(
    rf"{TAG}(?: (?:alone|also|both|all|simply|just|however|actually))? {_SUBJECTLESS}"
    rf"|{TAG} (?:contain|provide|offer|give|have|make|include|say|show|reveal"
    rf"|hold)s? (?:us )?(?:absolutely )?(?:nothing|no|little|insufficient)"
    rf"(?:(?= |$)(?<=nothing)| (?:{_KIND} )*{_INFO}{_INFO_END})"
    rf"|{TAG} lacks? (?:{_KIND} )*{_INFO}{_INFO_END}"
    rf"|{TAG} (?:is|are|remains?) (?:all |both |completely |entirely |largely )?(?:silent|unrelated|irrelevant"
    r"|not (?:directly )?(?:related|relevant)|insufficient|not sufficient|not enough)"
    rf"|\b(?:none|neither|not one) (?:of )?(?:{TAG}|(?:{_ADJ} ){{0,3}}(?:{_NOUN}|{_COMMON}))(?: {_ADV})?"
    rf" (?:(?:{_SAYS}|{_HOLDS})\b|(?:is|are) (?:relevant|related|about)\b)"
    rf"|^no (?:{_ADJ} )?{_NOUN} (?:{_SAYS})\b"
    rf"|\bnothing(?: (?:(?:is|was|has been) )?\w+(?: (?:about|on|of|regarding) [^,\x01]{{1,40}}?)?)?{_WHERE}{TAG}"
    rf"|\b{_BE_NOT} {_PART}{_WHERE}{SOURCES}"
    rf"|\b(?:do|does|did)(?: not|n't) (?:appear|occur|exist|show up){_WHERE}{SOURCES}"
    rf"|^I (?:do not|don't|did not|didn't|cannot|can't|could not|couldn't|am unable to|was unable to|am not able to"
    rf"|was not able to)"
    rf" (?:find|see|locate|determine|answer|tell|identify|provide|infer)\b[^\x01]{{0,80}}?{_WHERE}{SOURCES}"
    rf"|\b(?:cannot|can't|can not|could not|couldn't) be (?:\w+ly )?(?:answered|determined|found|inferred"
    rf"|established|known|concluded|verified|derived)"
    rf"{_WHERE}{SOURCES}"
    rf"|\b(?:not possible|impossible|no way) (?:for me )?to (?:answer|determine|tell|say|know|infer"
    rf"|find)\b[^\x01]{{0,60}}?{_WHERE}{SOURCES}"
    rf"|\b(?:not clear|unclear|unknown|absent|missing){_WHERE}{SOURCES}"
    rf"|\b(?:outside|beyond)(?: of)? (?:the )?(?:scope|range|coverage) of {SOURCES}"
    rf"|\bnot within the scope of {SOURCES}",
    re.IGNORECASE,
)
_I = (
    r"^(?:I|we) (?:am |was |are |were )?(?:do not|don't|did not|didn't|cannot|can't|can not|could not|couldn't"
    r"|unable to|not able to)"
)
# Silent where nothing is cited for it.
WEAK = re.compile(
    rf"{TAG} {_NOT}(?: {_ADV}){{0,2}} {_HOLDS}\b(?<!support)"
    rf"|\b{_BE_NOT} (?:{_PART}|{_HELD}){_WHERE}{SOURCES}"
    rf"|{_I} (?:really |actually )?(?:know(?= *$| the answer| about| what| who| when| where| why| how| that\b| if"
    rf"| whether)"
    rf"|(?:answer|tell|say|determine|provide|respond|find|locate|see|have)\b)(?: (?:any|enough|sufficient|the|that"
    rf"|this|your|you|it|an|relevant|specific|further|what|who|which|when|where|how|whether|an?y?thing|access|to)\b"
    rf"| *$)"
    rf"|^I (?:found|find|saw|see) (?:no|nothing|little) ?(?:{_KIND} )*(?:{_INFO}|$|about|on|that)"
    r"|^I have no (?:way of knowing|idea|information|knowledge|data|details)"
    rf"|^(?:there(?:'s| is| are| was| were) )(?:no|not (?:enough|any|sufficient)|insufficient|n't (?:any"
    rf"|enough))(?: {_KIND})* {_INFO}{_INFO_END}"
    rf"|^there (?:isn't|aren't|wasn't|weren't) (?:{_KIND} )*{_INFO}{_INFO_END}"
    rf"|^(?:no|insufficient|not enough) (?:{_KIND} )*{_INFO}(?: (?:about|on|regarding|of|for|concerning|as to|to"
    rf"|that|in|from)\b(?:(?! (?:is|are|was|were|may|must|can|shall|will|should|could|would)\b).){{1,80}}?)?"
    rf"(?: (?:is|was|are|were|has been|have been|can be|could be)(?: \w+ly)? (?:given|found|provided|available"
    rf"|mentioned|included|stated|present|offered|located)"
    rf"(?=$|\W*$| in| within| by| on| regarding| about| anywhere| from))?(?:{_WHERE}{SOURCES}.{{0,20}})?\W*$"
    rf"|^(?:the|this|that|such|specific|relevant|requested|your)[\w ]{{0,20}}? ?{_INFO}(?: (?:you requested|you need"
    rf"|about [^,]{{1,40}}?))? {_BE_NOT}"
    rf" (?:{_PART}|{_HELD})\W*$"
    rf"|^(?:it|this|that|(?:the|your|this) (?:question|answer|information))\b[^\x01]{{0,20}}? (?:cannot|can't"
    rf"|can not|could not) be (?:answered|determined|found|inferred|known)\W*$"
    r"|^(?:it|this) is (?:not possible|impossible) to (?:answer|determine|say)(?: (?:this|that|the|your)(?: question"
    r"| answer)?)?\W*$"
    rf"|^(?!\x01)[\w' -]{{0,60}}?\b{_BE_NOT} (?:mentioned|specified|stated|disclosed|addressed|discussed)\W*$"
    r"|^(?:unanswerable|insufficient information|not (?:mentioned|specified|stated|answerable|addressed))\W*$"
    r"|^(?:the|your|this) question (?:is|falls) (?:outside|beyond|unrelated|not (?:covered|addressed|related"
    r"|answered))",
    re.IGNORECASE,
)
SOURCED = re.compile(
    rf"\b{_BE_NOT} (?:{_PART}|known)\W*$|\b(?:cannot|can't|can not|could not) be (?:answered|determined|found"
    rf"|inferred|known|established)\W*$"
    r"|\b(?:not possible|impossible) to (?:answer|determine|tell|say|know|infer)\b"
    rf"|^I (?:can't|cannot|can not|could not|couldn't|am unable to|don't|do not)\b|\b(?:is|remains) (?:unknown"
    rf"|unclear|unspecified)\W*$"
    rf"|^(?:do not|don't|does not|doesn't) (?:{_ADV} )?{_SAYS}\b",
    re.IGNORECASE,
)
# What goes on about the sources without naming them: "…, but do not mention the price".
ELIDED = re.compile(rf"^(?:{_NOT}|(?:contain|provide|offer|give)s? no)\b", re.IGNORECASE)
SAME_SUBJECT = re.compile(
    r"\s(?=(?:and|but|yet) (?:could|can|cannot|can't|do|does|did|don't|doesn't|didn't|couldn't|found no|find no"
    r"|make no|contain no|provide no)\b)",
    re.IGNORECASE,
)
WHOLE = re.compile(r"^(?:unknown|n/?a|no answer|cannot be determined|none given)\W*$", re.IGNORECASE)
CONDITION = re.compile(
    r"^(?:if|when|whenever|unless|until|in case|should|where|provided that|as long as|once)\b(?! I recall)",
    re.IGNORECASE,
)
RELATIVE = re.compile(
    r"\b(?:if|when|unless|until|that|which|who|whose|because)\b(?! (?:I|the sources) (?:can|could))", re.IGNORECASE
)
PREAMBLE = re.compile(
    r"^(?:based (?:solely |only |purely )?(?:on|upon)|according to|from|given|in|per|as per|regarding|as for"
    r"|concerning|with (?:regard|respect) to"
    r"|after|having|upon|looking at|looking through|going by|judging (?:by|from)|as an? |using|within|as far as"
    r"|to the best of|about|for|on)\b.{0,100}$",
    re.IGNORECASE,
)
NAMED = re.compile(rf"{TAG}|\x01|\b(?:sources|context|documents|passages)\b", re.IGNORECASE)
ABOUT = re.compile(
    rf"^(?:{TAG}|(?:sources?|passages?|documents?)(?= (?:is|are|discuss|describe|cover|focus|only)))(?: (?:and"
    rf"|both|all|mainly|primarily|mostly|only|just|merely|solely|instead)){{0,3}}"
    r" (?:discuss|describe|cover|focus|deal|concern|talk|relate|pertain|address|(?:is|are) (?:only |mainly "
    r"|primarily |all |mostly )?(?:about|on|related to|concerned with)|explain|outline)"
    rf"|^{TAG} (?:only|mainly|primarily|mostly|just|merely|solely) \w+",
    re.IGNORECASE,
)
EXCUSE = re.compile(
    r"^(?:so |thus |therefore |instead |alternatively |or |also )?(?:please|you (?:can|may|might|could|should|would"
    r"|will|'d)(?: (?:also|want|need|wish|like|have|try|to|be|able|either|always)){0,4}"
    r" (?:check|contact|consult|visit|refer|look|ask|try|reach|provide|search|call|find|verify|review|share|seek|get"
    r"|see|do|conduct)"
    r"|if (?:you|there)|for (?:more|further|additional|that|this|specific)|let me know|feel free|I(?:'d| would|'ll"
    r"| will| can only| can help| could| am happy| apologi[sz]e| recommend| suggest| hope| understand)"
    r"|would you|could you|can you|is there|do you|it (?:is|would be|might be|may be|'s) (?:best|better|recommended"
    r"|advisable|helpful|necessary|useful|possible that)"
    r"|to (?:answer|find|get|obtain|learn|determine|provide)|additional|more (?:information|context|details)|further"
    r"|thank|hope|contact|check|consult|refer|visit|try|sorry)\b",
    re.IGNORECASE,
)
BUT = re.compile(
    r"^(?:but|however|though|yet|whereas|while|only|nevertheless|nonetheless|instead|still)\b", re.IGNORECASE
)
JOINING = re.compile(
    r"^(?:(?:and|but|however|so|therefore|thus|hence|yet|though|although|while|whereas|because|since|as such"
    r"|as a result|consequently|also|moreover"
    r"|furthermore|additionally|in addition|in short|overall|unfortunately|regrettably|sadly|still|nevertheless"
    r"|it (?:seems|appears)(?: that)?|I (?:see|find|note|found|checked) that"
    r"|it is (?:important to note|worth noting)(?: that)?|please note that|note that|I'?m afraid(?: that)?"
    r"|i am afraid(?: that)?|even though|as of now|currently|at (?:this|the) (?:time|moment)|to be clear"
    r"|in conclusion|in summary|well|actually|in fact|specifically|either|neither of which)\b[\s,]*)+",
    re.IGNORECASE,
)
GREETING = re.compile(
    r"^(?:(?:hello|hi|dear \w+|hey|greetings|good (?:morning|afternoon|evening)|(?:I(?:'m| am) )?(?:very |so "
    r"|really |truly )?sorry(?: about that| for (?:the|any) \w+)?"
    r"|(?:I|my) (?:sincerely )?apologi[sz]e(?:s)?(?: for (?:the|any) \w+)?|(?:my )?apologies(?: for (?:the"
    r"|any) \w+)?|answer|final answer|response|reply|conclusion)\b[\s,:!]*)+",
    re.IGNORECASE,
)
FILLER = re.compile(
    r"^(?:ok(?:ay)?|sure|certainly|thanks?(?: you)?.{0,40}|great question|good question|that(?:'s| is) a (?:good"
    r"|great|interesting) question|let me .{0,40}|I (?:have )?(?:carefully )?(?:reviewed|checked|read|searched"
    r"|looked).{0,60}|(?:the|your|this) (?:question|user|query) (?:asks|is asking|is about|wants)\b.{0,80})$",
    re.IGNORECASE,
)
