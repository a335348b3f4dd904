"""English names of countries, of their people and languages, and their abbreviations; and how other such words end."""

from __future__ import annotations

# A line is one country: names with more words are joined by _.
_COUNTRIES = """france french frenchman frenchmen
netherlands holland dutch
switzerland swiss
united_kingdom great_britain britain uk british briton britons
england english
scotland scottish scots scotch
wales welsh
ireland irish
germany german germans
spain spanish spaniard spaniards
portugal portuguese
italy italian italians
greece greek greeks
denmark danish dane danes
sweden swedish swede swedes
norway norwegian norwegians
finland finnish finn finns
poland polish pole poles
turkey turkiye turkish turk turks
belgium belgian belgians
czech_republic czechia czech czechs
ukraine ukrainian ukrainians
russia russian russians russian_federation
united_states united_states_of_america usa us america american americans
united_arab_emirates uae emirati
european_union eu
united_nations un
soviet_union ussr soviet
china chinese people's_republic_of_china prc
taiwan taiwanese
hong_kong hk hongkonger
japan japanese
south_korea republic_of_korea korea korean koreans
north_korea dprk
india indian indians
pakistan pakistani
israel israeli
iraq iraqi
iran iranian persian
thailand thai
vietnam vietnamese
philippines filipino filipinos philippine
new_zealand kiwi
australia australian
canada canadian
mexico mexican
brazil brazilian
argentina argentine argentinian
peru peruvian
egypt egyptian
saudi_arabia saudi
afghanistan afghan
iceland icelandic
europe european
asia asian
africa african
new_york_city new_york york york_city nyc
los_angeles la
san_francisco sf
washington washington_dc dc"""

COUNTRIES: dict[str, tuple[str, ...]] = {}
for _line in _COUNTRIES.split("\n"):
    _names = tuple(_name.replace("_", " ") for _name in _line.split())
    for _name in _names:
        COUNTRIES[_name] = (*COUNTRIES.get(_name, ()), *_names)

# How words for people and things of a place end (Californian), and the place itself (California).
PEOPLE_ENDINGS = ("ese", "ish", "ian", "ean", "an", "ic", "i", "n")
PLACE_ENDINGS = ("", "a", "ia", "y", "o", "e", "as", "es")
