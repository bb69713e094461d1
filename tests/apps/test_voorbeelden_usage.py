"""Whether a sentence uses a term: inflections, compounds, separable verbs, and what only looks like them."""

from __future__ import annotations

import pytest

from fanfold.apps.voorbeelden.inflection import adjective_forms, noun_forms, verb_forms
from fanfold.apps.voorbeelden.usage import uses

TABLE: dict[str, tuple[list[str], list[str]]] = {
    # separable verbs
    "opbellen": (["Hij belt haar op.", "Zij heeft hem opgebeld.", "Vergeet niet de arts op te bellen!", "Bel je me vanavond op?", "Ze zei dat ze hem opbelde.", "Opbellen mag ook na tienen.", "Ik belde hem gisteren op, maar hij sliep."], ["Hij belt aan op zaterdag.", "Zij klimt op de bel.", "Hij belt haar.", "De bel hangt op de muur."]),
    "aanbellen": (["Hij belt bij de buren aan.", "Er werd aangebeld."], ["Hij belt haar op.", "Ze denkt aan hem."]),
    "uitnodigen": (["Zij nodigt ons uit voor het feest.", "We zijn uitgenodigd.", "Hij nodigde iedereen uit."], ["Zij gaat uit met vrienden.", "Het is nodig om te slapen."]),
    "deelnemen": (["Zij nam deel aan de wedstrijd.", "Alle landen nemen deel.", "Hij heeft deelgenomen.", "Het is leuk om deel te nemen."], ["Hij nam een deel van de taart.", "Zij neemt de trein."]),
    "vaststellen": (["De raad stelt het plan vast.", "Het plan is vastgesteld.", "Nadat zij de schade vaststelde, ging zij weg."], ["De raad stelt een vraag.", "Dat staat vast en zeker op papier."]),
    "intrekken": (["Zij trok haar klacht in.", "De wet wordt ingetrokken.", "Zij probeert het voorstel in te trekken."], ["Hij trekt aan het touw.", "Zij trok in de bergen rond met een rugzak."]),
    "opruimen": (["Ruim je kamer op!", "De zolder is opgeruimd.", "Wie ruimt dit op?"], ["Er is ruimte op zolder.", "De kamer is ruim."]),
    "meedoen": (["Doe je mee?", "Ik deed vorig jaar mee.", "Iedereen heeft meegedaan."], ["Wat doe je morgen?", "Neem je jas mee."]),
    "terugbetalen": (["Zij betaalt het geld terug.", "De lening is terugbetaald.", "Hij weigert om het bedrag terug te betalen."], ["Zij betaalt met haar pas.", "Hij komt morgen terug."]),
    "aanbesteden": (["De stad besteedt het werk aan.", "De brug is aanbesteed.", "Het Rijk moet dit aanbesteden."], ["Zij besteedt veel geld.", "De bus komt aan."]),
    "bijwerken": (["Werk de lijst bij.", "Alles is bijgewerkt.", "Hij werkte de site bij."], ["Hij werkt bij een bank.", "Zij werkt hard."]),
    "opladen": (["Laad de accu op.", "De telefoon is opgeladen.", "De auto laadt hier op."], ["Laad de kratten op de kar.", "De lade staat open."]),
    "afschaffen": (["Het kabinet schaft de regel af.", "De toeslag is afgeschaft."], ["Hij schaft een hond aan.", "Het werk is af."]),
    "vrijspreken": (["De rechter sprak haar vrij.", "Zij is vrijgesproken."], ["Zij spreekt vloeiend Frans.", "Hij is morgen vrij."]),
    "weglopen": (["De hond liep weg.", "Zij is weggelopen.", "Loop niet weg!"], ["De weg loopt langs zee.", "Hij liep naar huis."]),
    "overeenkomen": (["Dat is zo overeengekomen.", "Zij kwamen een prijs overeen."], ["Zij kwamen te laat.", "De brug gaat over het water."]),
    # other verbs, weak and strong
    "handhaven": (["De politie handhaaft streng.", "De regel werd gehandhaafd.", "Handhavend optreden is nodig."], ["De haven is groot.", "Hij geeft haar een hand."]),
    "lopen": (["Hij liep naar school.", "Zij heeft ver gelopen.", "Loop je mee?"], ["Hij fietst naar school.", "De loper ligt in de gang."]),
    "verhuizen": (["Zij verhuist morgen.", "Wij verhuisden naar Zwolle.", "Hij is verhuisd."], ["Het huis is groot.", "Zij woont in een dorp."]),
    "ontbinden": (["Hij ontbond de koop.", "De rechter ontbindt het contract.", "Het parlement is ontbonden."], ["Zij bindt haar schoenen.", "Er is een band lek."]),
    "huren": (["Wij huren een zaal.", "Hij huurde een bus.", "De fiets is gehuurd."], ["Het duurt een uur.", "De hoorn is van koper."]),
    "beslissen": (["Zij beslist morgen.", "De raad besliste anders.", "Het is beslist."], ["Hij mist de bus.", "De lijst is lang."]),
    "schrijven": (["Zij schreef een brief.", "Hij schrijft langzaam.", "Het is goed geschreven."], ["Zij schreeuwt hard.", "De schijf is vol."]),
    "denken": (["Ik dacht aan jou.", "Wat denk je?", "Hij heeft lang gedacht."], ["Het dak lekt.", "Zij dekt de tafel."]),
    "kopen": (["Zij kocht een jas.", "Koop je brood?", "Het is al gekocht."], ["Het kopje is stuk.", "De kok is ziek."]),
    "leven": (["Hij leeft nog.", "Zij leefde in Parijs.", "De vis heeft lang geleefd."], ["De lever is een orgaan.", "Hij geeft les."]),
    # nouns
    "dwangsom": (["De dwangsommen lopen op.", "Het dwangsombesluit is bekend.", "Hij betaalt een dwangsom."], ["De som klopt niet.", "Zij doet het onder dwang."]),
    "overeenkomst": (["De overeenkomsten zijn getekend.", "De huurovereenkomst loopt af.", "Overeenkomst of niet, het is koud."], ["De komst van de koning was laat.", "Er is overeenstemming bereikt."]),
    "vergunning": (["De bouwvergunning is er.", "Zonder vergunningen mag het niet.", "De vergunninghouder betaalt."], ["Hij gunt haar het succes.", "De vergadering begint."]),
    "huis": (["De huizen zijn duur.", "Het huisje staat aan zee.", "De huisdeur is open.", "Zij werkt in een ziekenhuis."], ["De muis is grijs.", "Hij is verhuisd."]),
    "boom": (["De bomen zijn kaal.", "De boomgaard bloeit.", "Een klein boompje groeit."], ["De bom ontplofte.", "Het zoomt flink."]),
    "bom": (["De bommen vielen.", "De bommelding was vals."], ["De bomen zijn kaal.", "Hij bonst op de deur."]),
    "brief": (["De brieven zijn bezorgd.", "De brievenbus is vol.", "Een liefdesbrief kwam te laat."], ["Hij is briljant.", "De bries is koel."]),
    "stad": (["De steden groeien.", "Het stadhuis is oud.", "In de binnenstad is het druk."], ["De staat is groot.", "Hij staat stil."]),
    "kind": (["De kinderen spelen.", "De kinderopvang is dicht.", "Een kindje lacht."], ["De kin doet pijn.", "Dat vindt hij ook."]),
    "wet": (["De wetten zijn streng.", "Het wetsvoorstel ligt klaar.", "De grondwet is oud."], ["Wij weten het niet.", "Hij heeft natte voeten."]),
    "recht": (["Zij kent haar rechten.", "Het strafrecht is streng.", "De rechtbank is open."], ["Hij vecht terug.", "Zij is echt boos."]),
    "bank": (["De banken zijn gesloten.", "Het bankje is nat.", "Zij heeft een bankrekening."], ["Hij bakt brood.", "De band is lek."]),
    "subsidie": (["De subsidies zijn op.", "De subsidieaanvraag is te laat.", "Er is subsidie."], ["Hij betaalt belasting.", "Het is subtiel."]),
    "gemeente": (["De gemeenten werken samen.", "De gemeenteraad stemt.", "Een kleine gemeente heeft het moeilijk."], ["Dat is gemeen.", "Hij meende het."]),
    "foto": (["De foto's zijn mooi.", "Het fotoboek is af.", "Een pasfoto is nodig."], ["Hij is fout.", "De motor start."]),
    "vrijheid": (["Vrijheden zijn kostbaar.", "De vrijheidsstrijder is oud.", "Leve de vrijheid!"], ["Hij is vrij.", "Op vrijdag sluiten wij."]),
    "begroting": (["De begrotingen kloppen.", "Het begrotingstekort groeit."], ["De grot is diep.", "Hij wordt groot."]),
    "museum": (["De museums zijn open.", "Het museumcafé is vol.", "Een museum is duur."], ["De muziek is mooi.", "Hij leest een boek."]),
    "btw": (["De btw-aangifte is klaar.", "Het is inclusief btw.", "De BTW gaat omhoog."], ["De bus is te laat.", "Zij betaalt belasting."]),
    "back-up": (["De back-ups zijn veilig.", "Maak een back-up!"], ["Hij komt terug.", "De backpack is zwaar."]),
    "fiets": (["Het fietspad is glad.", "De fietsen staan buiten.", "Zij heeft een bakfiets."], ["Dat is iets anders.", "Er is niets."]),
    "café": (["De cafés zijn vol.", "Het café sluit."], ["De koffie is koud.", "Het kaf waait weg."]),
    # adjectives
    "aansprakelijk": (["De aansprakelijke partij betaalt.", "Zij is aansprakelijk."], ["Hij spreekt haar aan.", "Dat is vermakelijk."]),
    "gezond": (["Een gezonde lunch.", "Dit is gezonder.", "Het gezondst is water."], ["Er is zonde begaan.", "Hij is ziek.", "Let op uw gezondheid."]),
    "duur": (["Een dure jas.", "Dit is duurder.", "De duurste auto won."], ["De deur is dicht.", "Hij is stuurs."]),
    "groot": (["Een grote hond.", "Hij is groter.", "De grootste zaal is vol."], ["De goot is lek.", "Er ligt grit."]),
    "lief": (["Een lieve hond.", "De liefste oma."], ["Hij lift naar huis.", "De brief is weg."]),
    "transparant": (["Een transparante procedure.", "Het werd transparanter."], ["De tram rijdt.", "Een plant groeit."]),
    "onrechtmatig": (["Het onrechtmatige besluit.", "Dat is onrechtmatig."], ["Dat is rechtmatig genoeg.", "Hij drinkt matig."]),
    # expressions
    "goede trouw": (["Hij handelde te goeder trouw.", "Zij was te goeder trouw."], ["Zij trouwt in mei.", "Dat is goed."]),
    "in beroep gaan": (["Zij gaat in beroep tegen het vonnis.", "Hij ging in hoger beroep.", "Wij zijn in beroep gegaan."], ["Zij gaat naar huis.", "Het is een mooi beroep."]),
    "zich vergissen": (["Ik heb me vergist.", "Hij vergist zich."], ["Hij vist graag.", "De mist trekt op."]),
    "verklaring van erfrecht": (["De notaris maakt een verklaring van erfrecht.", "Voor verklaringen over het erfrecht belt u de notaris."], ["De notaris legt een verklaring af.", "Het erfrecht is streng."]),
}  # fmt: skip


def test_the_table_is_long_enough():
    assert len(TABLE) >= 50 and all(used and other for used, other in TABLE.values())


@pytest.mark.parametrize("term", TABLE)
def test_sentences_that_use_it_and_that_do_not(term):
    used, other = TABLE[term]
    assert [sentence for sentence in used if not uses(term, sentence)] == [], "these use it"
    assert [sentence for sentence in other if uses(term, sentence)] == [], "these do not"


def test_case_quotes_and_typographic_apostrophes_do_not_matter():
    assert uses("Dwangsom", "De “DWANGSOM” loopt op.") and uses("foto", "Twee foto’s.") and not uses("dwangsom", "")
    assert uses("5G", "Het 5G-netwerk is snel.") and uses("covid-19", "Covid-19 was er ook.") and not uses("5G", "Het gaat snel.")


@pytest.mark.parametrize(
    ("forms", "word", "some"),
    [
        (noun_forms, "boom", {"bomen", "boompje"}),
        (noun_forms, "bal", {"ballen", "balletje"}),
        (noun_forms, "huis", {"huizen", "huisje"}),
        (noun_forms, "vrijheid", {"vrijheden"}),
        (noun_forms, "vergadering", {"vergaderingen", "vergaderinkje"}),
        (adjective_forms, "dik", {"dikke", "dikker", "dikst"}),
        (adjective_forms, "grijs", {"grijze", "grijzer"}),
        (verb_forms, "bellen", {"bel", "belt", "belde", "gebeld", "bellend"}),
        (verb_forms, "maken", {"maak", "maakt", "maakte", "gemaakt"}),
        (verb_forms, "leven", {"leef", "leeft", "leefde", "geleefd"}),
        (verb_forms, "betalen", {"betaal", "betaalt", "betaalde", "betaald"}),
        (verb_forms, "wandelen", {"wandel", "wandelt", "wandelde", "gewandeld"}),
    ],
)
def test_regular_forms(forms, word, some):
    assert some <= forms(word)
