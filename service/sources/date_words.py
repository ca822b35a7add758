"""The words of dates: months in the languages of mail programs, and the names of zones."""

from __future__ import annotations

from service.text import fold

# A language on each line: the months from January on, each with its usual short forms.
_MONTHS = """
january/jan february/feb march/mar april/apr may june/jun july/jul august/aug september/sep/sept october/oct november/nov december/dec
januar/jänner/jän februar/feber märz/mär/mrz april mai juni juli august september oktober/okt november dezember/dez
janvier/janv février/févr/fev/fév mars avril/avr mai juin juillet/juil août/aout septembre octobre novembre décembre/déc
enero/ene febrero marzo abril/abr mayo junio julio agosto/ago septiembre/setiembre/set octubre noviembre diciembre/dic
gennaio/gen febbraio marzo aprile maggio/mag giugno/giu luglio/lug agosto settembre ottobre/ott novembre dicembre
janeiro fevereiro março abril maio junho julho agosto setembro outubro/out novembro dezembro
januari februari maart/mrt april mei juni juli augustus september oktober november december
januari februari mars april maj juni juli augusti september oktober november december/desember/des
tammikuu/tammikuuta/tammi/tammik helmikuu/helmikuuta/helmi/helmik maaliskuu/maaliskuuta/maalis/maalisk huhtikuu/huhtikuuta/huhti/huhtik toukokuu/toukokuuta/touko/toukok kesäkuu/kesäkuuta/kesä/kesäk heinäkuu/heinäkuuta/heinä/heinäk elokuu/elokuuta/elo/elok syyskuu/syyskuuta/syys/syysk lokakuu/lokakuuta/loka/lokak marraskuu/marraskuuta/marras/marrask joulukuu/joulukuuta/joulu/jouluk
styczeń/stycznia/sty luty/lutego/lut marzec/marca kwiecień/kwietnia/kwi maj/maja czerwiec/czerwca/cze lipiec/lipca/lip sierpień/sierpnia/sie wrzesień/września/wrz październik/października/paź listopad/listopada/lis grudzień/grudnia/gru
leden/ledna/led únor/února/úno březen/března/bře duben/dubna/dub květen/května/kvě červen/června/čvn/čer červenec/července/čvc srpen/srpna/srp září/zář říjen/října/říj listopad/listopadu prosinec/prosince/pro
január februára/február marca/marec apríla/apríl mája/máj júna/jún júla/júl augusta septembra októbra/október novembra decembra
január február/febr március/márc április/ápr május/máj június/jún július/júl augusztus szeptember/szept október november december
ianuarie/ian februarie martie aprilie mai iunie/iun iulie/iul august septembrie octombrie noiembrie/noi decembrie
ocak/oca şubat/şub mart nisan/nis mayıs haziran/haz temmuz/tem ağustos/ağu eylül/eyl ekim/eki kasım/kas aralık/ara
siječanj/siječnja veljača/veljače ožujak/ožujka travanj/travnja svibanj/svibnja lipanj/lipnja srpanj/srpnja kolovoz/kolovoza rujan/rujna listopad studeni/studenoga prosinac/prosinca
januari/jan februari maret april mei juni juli agustus/agu september oktober november desember
gener febrer març abril maig/mai juny juliol agost setembre octubre novembre desembre
январь/января/янв февраль/февраля/фев/февр март/марта/мар апрель/апреля/апр май/мая июнь/июня/июн июль/июля/июл август/августа/авг сентябрь/сентября/сен/сент октябрь/октября/окт ноябрь/ноября/ноя/нояб декабрь/декабря/дек
січень/січня/січ лютий/лютого/лют березень/березня/бер квітень/квітня/кві травень/травня/тра червень/червня/чер липень/липня/лип серпень/серпня/сер вересень/вересня/вер жовтень/жовтня/жов листопад/листопада/лис грудень/грудня/гру
януари/ян февруари март април май юни юли август септември октомври ноември декември
ιανουάριος/ιανουαρίου/ιαν φεβρουάριος/φεβρουαρίου/φεβ μάρτιος/μαρτίου/μαρ απρίλιος/απριλίου/απρ μάιος/μαΐου/μαι ιούνιος/ιουνίου/ιουν ιούλιος/ιουλίου/ιουλ αύγουστος/αυγούστου/αυγ σεπτέμβριος/σεπτεμβρίου/σεπ/σεπτ οκτώβριος/οκτωβρίου/οκτ νοέμβριος/νοεμβρίου/νοε δεκέμβριος/δεκεμβρίου/δεκ
ינואר/בינואר פברואר/בפברואר מרץ/במרץ אפריל/באפריל מאי/במאי יוני/ביוני יולי/ביולי אוגוסט/באוגוסט ספטמבר/בספטמבר אוקטובר/באוקטובר נובמבר/בנובמבר דצמבר/בדצמבר
يناير فبراير مارس أبريل/ابريل مايو يونيو يوليو أغسطس/اغسطس سبتمبر أكتوبر/اكتوبر نوفمبر ديسمبر
"""  # noqa: E501

MONTHS: dict[str, int] = {}
"""The number of each month by its folded name. If a name has two meanings, the language further up wins."""
for _line in _MONTHS.split("\n"):
    for _number, _names in enumerate(_line.split(), start=1):
        for _name in _names.split("/"):
            MONTHS.setdefault(fold(_name), _number)

# Minutes ahead of UTC. A name with several meanings has that of RFC 5322, or else that of the zone with most people.
_ZONES = {
    0: "UT UTC GMT Z WET",
    60: "CET MET MEZ BST WEST WAT",
    120: "CEST MEST MESZ CETDST METDST EET SAST CAT IDT",
    180: "EEST EETDST MSK EAT TRT",
    210: "IRST",
    240: "MSD GST SAMT AMT AZT",
    270: "IRDT AFT",
    300: "PKT YEKT UZT",
    330: "IST",
    345: "NPT",
    360: "OMST BDT ALMT",
    390: "MMT",
    420: "ICT WIB KRAT NOVT",
    480: "HKT SGT PHT MYT AWST CST8 WITA IRKT CNST",
    540: "JST KST WIT YAKT",
    570: "ACST",
    600: "AEST VLAT ChST",
    630: "ACDT",
    660: "AEDT MAGT SBT",
    720: "NZST FJT PETT",
    780: "NZDT",
    -60: "AZOT CVT",
    -120: "BRST NDT2",
    -150: "NDT",
    -180: "BRT ART ADT CLST UYT",
    -210: "NST",
    -240: "AST EDT CLT VET BOT",
    -300: "EST CDT COT PET",
    -360: "CST MDT",
    -420: "MST PDT",
    -480: "PST AKDT",
    -540: "AKST HDT",
    -600: "HST",
    -660: "SST",
}
ZONES = {name.upper(): minutes for minutes, names in _ZONES.items() for name in names.split()}

# The full names that Windows and others write, such as "W. Europe Standard Time", without the last two words.
_LONG_ZONES = {
    0: "gmt|greenwich|western european",
    60: "w. europe|central europe|central european|romance|w. central africa",
    120: "e. europe|eastern european|fle|gtb|israel|south africa|egypt",
    180: "russian|moscow|turkey|arab|arabic|e. africa|east africa",
    210: "iran",
    240: "arabian",
    300: "pakistan",
    330: "india|sri lanka",
    345: "nepal",
    360: "bangladesh",
    420: "se asia",
    480: "china|singapore|taipei|w. australia|australian western",
    540: "tokyo|japan|korea",
    570: "cen. australia|aus central|australian central",
    600: "aus eastern|e. australia|australian eastern|tasmania",
    720: "new zealand",
    -180: "e. south america|brasilia|argentina|sa eastern",
    -210: "newfoundland",
    -240: "atlantic|sa western",
    -300: "eastern|us eastern|sa pacific|colombia",
    -360: "central|canada central|central america",
    -420: "mountain|us mountain",
    -480: "pacific",
    -540: "alaskan|alaska",
    -600: "hawaiian|hawaii",
}
LONG_ZONES = {name: minutes for minutes, names in _LONG_ZONES.items() for name in names.split("|")}
