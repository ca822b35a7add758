"""The words by which mail programs mark what others wrote, in many languages."""

# ruff: noqa: E501 - tables of words
from __future__ import annotations

import re

from service.text import fold

# "wrote", as attributions say it.
_VERBS = "|".join((
    r"(?:wrote|writes|said|says|write)\b",
    r"(?:schrieb|schrieben|geschrieben)\b",  # German
    r"(?:a écrit|écrit|a ecrit|écrivait)\b",  # French
    r"(?:escribió|escribio|escribe|ha escrito)\b",  # Spanish
    r"(?:ha scritto|scrive|scrisse)\b",  # Italian
    r"(?:escreveu|escreve)\b",  # Portuguese
    r"(?:schreef|heeft .{0,60}geschreven)\b",  # Dutch
    r"(?:skrev|skriver|skreiv)\b",  # Swedish, Danish, Norwegian
    r"(?:kirjoitti|kirjutas)\b",  # Finnish, Estonian
    r"(?:napisał\(a\)|napisał|napisała|napisal|pisze|pisał|napísal|napísala|napsal\(a\)|napsal|napsala)(?!\w)",
    r"(?:je napisao|je napisala|napisao|napisala|piše|je napisal|napisal)\b",  # Croatian, Slovene
    r"(?:a scris|scrie)\b",  # Romanian
    r"(?:írta|ezt írta|írt)\b",  # Hungarian
    r"(?:yazdı|şunu yazdı|yazmış)\b",  # Turkish
    r"(?:va escriure|ha escrit|escriu|idatzi zuen|skrifaði|menulis|đã viết|viết)\b",
    r"(?:rašė|parašė|rakstīja)\b",  # Lithuanian, Latvian
    r"(?:пишет|писал|писала|написал|написала|написал\(а\)|писал\(а\)|пише|написав|написала|написа|је написао)(?!\w)",
    r"(?:έγραψε|έγραψες)\b",
))  # fmt: skip
_VERBS_IN_WORDS = "|".join((  # in these languages, a letter may come directly before the verb
    r"書きました|書かれました|のメッセージ|さんは|さんが|からのメール",
    r"写道|寫道|写了|写到|來信|来信|撰寫|撰写",
    r"작성|썼습니다|쓴 글|님이",
    r"כתב|כתבה|מאת|كتب|كتبت|بواسطة|نوشت|เขียน",
))  # fmt: skip
VERBS = rf"\b(?:{_VERBS})|wrote|(?![\x00-\x7f])(?:{_VERBS_IN_WORDS})"

# The first words of attributions.
OPENERS = (
    r">*\s*(?:On|At|In|Am|Den|Le|El|Il|Il giorno|Em|No dia|A|Op|På|Dnia|W dniu|Dne|Dňa|Pe|În|La data de|Vào|Pada|Στις|Στὶς"
    r"|Tarihinde|Den|Þann|Kuupäeval|Am|Um|Von|Quoting|Zitat von|Citando|Citeren|Selon|Citerar|在|於|于|بتاريخ|في|בתאריך|ב"
    r"|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Пн|Вт|Ср|Чт|Пт|Сб|Вс|пон|втор|сред|четв|пят|суб|воск)"
)

# The text between dashes above a copied message. Folded.
MARKERS = frozenset(
    fold(words)
    for words in (
        "Original Message", "Original message", "Forwarded message", "Forwarded Message", "Begin forwarded message",
        "Start of forwarded message", "Forward Message", "Forwarding messages", "Reply message", "Original-Nachricht",
        "Ursprüngliche Nachricht", "Originalnachricht", "Weitergeleitete Nachricht", "Anfang der weitergeleiteten Nachricht",
        "Weitergeleitete Mail", "Message d'origine", "Message original", "Message d’origine", "Message transféré",
        "Début du message transféré", "Début du message réexpédié", "Mensaje original", "Mensaje reenviado",
        "Inicio del mensaje reenviado", "Messaggio originale", "Messaggio inoltrato", "Inizio messaggio inoltrato",
        "Messaggio Originale", "Mensagem original", "Mensagem encaminhada", "Mensagem reencaminhada",
        "Início da mensagem reencaminhada", "Início da mensagem encaminhada", "Oorspronkelijk bericht",
        "Doorgestuurd bericht", "Begin doorgestuurd bericht", "Origineel bericht", "Ursprungligt meddelande",
        "Vidarebefordrat meddelande", "Vidarebefordrat brev", "Original meddelelse", "Oprindelig meddelelse",
        "Videresendt meddelelse", "Opprinnelig melding", "Videresendt melding", "Alkuperäinen viesti",
        "Välitetty viesti", "Edelleenlähetetty viesti", "Wiadomość oryginalna", "Oryginalna wiadomość",
        "Wiadomość przekazana", "Przekazana wiadomość", "Treść przekazanej wiadomości", "Původní zpráva",
        "Přeposlaná zpráva", "Pôvodná správa", "Preposlaná správa", "Eredeti üzenet", "Továbbított üzenet",
        "Mesaj original", "Mesajul original", "Mesaj redirecționat", "Orijinal Mesaj", "Özgün ileti", "Orijinal İleti",
        "İletilen ileti", "Yönlendirilmiş ileti", "Исходное сообщение", "Оригинальное сообщение",
        "Пересылаемое сообщение", "Пересланное сообщение", "Исходное письмо", "Вихідне повідомлення",
        "Переслане повідомлення", "Оригинално съобщение", "Препратено съобщение", "Izvorna poruka",
        "Proslijeđena poruka", "Izvirno sporočilo", "Posredovano sporočilo", "Αρχικό μήνυμα", "Προωθημένο μήνυμα",
        "Missatge original", "Missatge reenviat", "Pesan asli", "Pesan terusan", "Tin nhắn gốc", "Thư gốc",
        "元のメッセージ", "転送メッセージ", "転送されたメッセージ", "原始邮件", "原始郵件", "转发邮件信息", "转发的邮件", "轉寄郵件",
        "轉寄信件", "邮件原件", "原文", "원본 메시지", "원본 메일", "전달된 메시지", "원래 메시지", "הודעה מקורית",
        "הודעה שהועברה", "رسالة أصلية", "الرسالة الأصلية", "رسالة معاد توجيهها", "پیام اصلی", "ข้อความต้นฉบับ",
    )
)  # fmt: skip

# "From", as the first of the headers that a program writes above a copied message.
FIELD = "|".join(
    re.escape(word)
    for word in (
        "From", "Von", "De", "Da", "Van", "Från", "Fra", "Lähettäjä", "Od", "Odesílatel", "Odosielateľ", "Feladó",
        "De la", "Kimden", "Gönderen", "От", "Від", "Από", "Saatja", "Nuo", "No", "Dari", "Từ", "差出人", "送信者", "发件人",
        "寄件者", "寄件人", "보낸 사람", "보낸사람", "מאת", "من", "از", "จาก",
    )
)  # fmt: skip

# What mail programs of phones add.
SENT_FROM = (
    r"(?:Sent (?:from|via|with|using) (?:my |the |Outlook|Mail|Yahoo|Proton|Gmail)|Get Outlook for|Von meinem .{1,40} gesendet"
    r"|Gesendet (?:von|mit) (?:meinem|der|Outlook)|Envoyé de mon|Envoyé depuis (?:mon|l)|Enviado (?:desde|do|de) (?:mi|meu)"
    r"|Inviato da(?:l mio)? |Verstuurd vanaf mijn|Skickat från min|Sendt fra min|Lähetetty .{0,20}(?:iPhone|puhelimesta)"
    r"|Wysłane z |Odesláno z |Отправлено (?:с|из) |iPhoneから送信|发自我的|從我的 ?iPhone|나의 iPhone에서 보냄)"
)
