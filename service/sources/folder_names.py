"""The names of mail folders and labels in many languages, by what they are for."""

from __future__ import annotations

from typing import Literal

Role = Literal["inbox", "sent", "drafts", "trash", "junk", "unread", "opened", "starred"]
# English, German, French, Spanish, Portuguese, Italian, Dutch, Polish, Russian, Ukrainian, Turkish, Swedish, Danish,
# Norwegian, Finnish, Czech, Slovak, Hungarian, Romanian, Greek, Japanese, Chinese, Korean, Hebrew, Arabic, Indonesian,
# Vietnamese, Thai, Croatian, Bulgarian, Catalan; as Gmail, Outlook, Thunderbird and Apple Mail write them.
NAMES: dict[Role, str] = {
    "inbox": """
        Inbox; Posteingang; Boîte de réception; Courrier entrant; Recibidos; Bandeja de entrada;
        Caixa de entrada; Posta in arrivo; In arrivo; Postvak IN; Odebrane; Skrzynka odbiorcza; Входящие;
        Вхідні; Gelen Kutusu; Gelen; Inkorgen; Inkorg; Indbakke; Innboks; Saapuneet; Postilaatikko;
        Doručená pošta; Doručené; Doručená; Beérkező levelek; Beérkezett üzenetek; Mesaje primite; Primite;
        Εισερχόμενα; 受信トレイ; 受信箱; 收件箱; 收件匣; 받은편지함; 받은 편지함; דואר נכנס; البريد الوارد;
        صندوق الوارد; Kotak Masuk; Hộp thư đến; กล่องจดหมาย; กล่องขาเข้า; Pristigla pošta; Pristigle pošte;
        Входяща поща; Входящи; Safata d'entrada; Rebuts
    """,
    "sent": """
        Sent; Sent Mail; Sent Items; Sent Messages; Sent-Mail; Outbox.Sent; Gesendet; Gesendete Objekte;
        Gesendete Elemente; Gesendete Nachrichten; Messages envoyés; Envoyés; Éléments envoyés; Enviados;
        Elementos enviados; Mensajes enviados; Correo enviado; E-mails enviados; Itens enviados;
        Mensagens enviadas; Posta inviata; Inviati; Inviata; Messaggi inviati; Verzonden; Verzonden items;
        Verzonden berichten; Wysłane; Elementy wysłane; Отправленные; Надіслані; Відправлені;
        Gönderilmiş Postalar; Gönderilenler; Gönderilmiş Öğeler; Gönderilmiş; Skickat; Skickade;
        Skickade objekt; Skickade mail; Sendte; Sendte mails; Sendt post; Sendt; Sendte elementer; Lähetetyt;
        Lähetetyt viestit; Odeslaná pošta; Odeslané; Odeslaná; Odoslané; Odoslaná pošta; Elküldött elemek;
        Elküldött levelek; Elküldött üzenetek; Elküldött; Mesaje trimise; Trimise; Elemente trimise;
        Απεσταλμένα; 送信済み; 送信済みメール; 送信済みアイテム; 送信済トレイ; 已发送; 已发送邮件; 已发邮件;
        已傳送郵件; 寄件備份; 已傳送; 寄件匣備份; 보낸편지함; 보낸 편지함; 보낸 메일; דואר יוצא; דואר שנשלח;
        פריטים שנשלחו; البريد المرسل; المرسل; العناصر المرسلة; الرسائل المرسلة; Terkirim; Item Terkirim;
        Surat Terkirim; Thư đã gửi; Đã gửi; จดหมายที่ส่งแล้ว; ส่งแล้ว; Poslano; Poslane poruke; Poslana pošta;
        Изпратени; Изпратена поща; Enviats; Elements enviats; Outbox; Unsent; Unsent Messages; Postausgang;
        Boîte d'envoi; Bandeja de salida; Caixa de saída; Posta in uscita; Postvak UIT; Skrzynka nadawcza;
        Исходящие
    """,
    "drafts": """
        Drafts; Draft; Entwürfe; Entwurf; Brouillons; Borradores; Rascunhos; Bozze; Concepten; Wersje robocze;
        Kopie robocze; Szkice; Черновики; Чернетки; Taslaklar; Utkast; Kladder; Kladde; Luonnokset; Koncepty;
        Rozpísané správy; Piszkozatok; Schițe; Ciorne; Mesaje nefinalizate; Πρόχειρα; 下書き; 草稿; 草稿箱;
        임시보관함; 임시 보관함; טיוטות; مسودات; المسودات; Draf; Konsep; Thư nháp; Bản nháp; ร่างจดหมาย;
        จดหมายร่าง; แบบร่าง; Skice; Nacrti; Чернови; Esborranys
    """,
    "trash": """
        Trash; Bin; Deleted; Deleted Items; Deleted Messages; Deleted Mail; Wastebasket; Papierkorb;
        Gelöschte Elemente; Gelöschte Objekte; Gelöscht; Corbeille; Éléments supprimés; Messages supprimés;
        Papelera; Elementos eliminados; Eliminados; Lixeira; Lixo; Itens excluídos; Itens eliminados;
        Mensagens excluídas; Cestino; Posta eliminata; Eliminati; Prullenbak; Prullenmand; Verwijderde items;
        Verwijderde berichten; Kosz; Elementy usunięte; Корзина; Удаленные; Удалённые; Кошик; Видалені;
        Çöp Kutusu; Çöp; Silinmiş Öğeler; Silinenler; Papperskorgen; Papperskorg; Borttagna objekt; Borttaget;
        Papirkurv; Slettet post; Slettede elementer; Søppel; Papirkurven; Søppelkurv; Roskakori; Poistetut;
        Koš; Odstraněná pošta; Odstraněné; Kôš; Odstránené položky; Törölt elemek; Coș de gunoi; Coș;
        Elemente șterse; Κάδος απορριμμάτων; Κάδος; Απορρίμματα; Διαγραμμένα; ゴミ箱; ごみ箱; 削除済みアイテム;
        垃圾桶; 已删除邮件; 已删除; 已刪除的郵件; 刪除的郵件; 废纸篓; 回收站; 휴지통; 지운 편지함; אשפה;
        פריטים שנמחקו; المهملات; سلة المهملات; العناصر المحذوفة; Sampah; Tong Sampah; Thùng rác; ถังขยะ; Otpad;
        Smeće; Кошче; Изтрити; Paperera
    """,
    "junk": """
        Spam; Junk; Junk Mail; Junk E-mail; Junk Email; Spam-Verdacht; Unerwünscht; Courrier indésirable;
        Indésirables; Pourriel; Correo no deseado; No deseado; Lixo eletrônico; Lixo electrónico;
        Posta indesiderata; Indesiderata; Ongewenste e-mail; Ongewenst; Niechciane; Wiadomości-śmieci; Спам;
        Нежелательная почта; Небажана пошта; İstenmeyen; Gereksiz; Gereksiz E-posta; Önemsiz E-posta;
        Skräppost; Skräp; Uønsket; Uønsket mail; Uønsket e-post; Søppelpost; Roskaposti; Nevyžádaná pošta;
        Nevyžádané; Nevyžiadaná pošta; Levélszemét; Mesaje nedorite; Nedorite; Ανεπιθύμητα;
        Ανεπιθύμητη αλληλογραφία; 迷惑メール; 垃圾邮件; 垃圾郵件; 垃圾信件; 스팸; 스팸함; 스팸편지함;
        정크 메일; ספאם; דואר זבל; דואר אלקטרוני זבל; غير مرغوب فيه; الرسائل غير المرغوب فيها;
        رسائل غير مرغوب فيها; بريد غير هام; البريد غير المرغوب; Thư rác; สแปม; จดหมายขยะ; Neželjena pošta;
        Neželjeno; Нежелана поща; Correu brossa
    """,
    "unread": """
        Unread; Ungelesen; Non lus; Non lu; No leído; No leídos; Sin leer; Não lido; Não lidas; Não lidos;
        Não lida; Da leggere; Non letti; Non letto; Ongelezen; Nieprzeczytane; Непрочитанные; Непрочитанное;
        Непрочитані; Okunmadı; Okunmamış; Oläst; Olästa; Ulæst; Ulæste; Ulest; Uleste; Lukemattomat; Lukematta;
        Nepřečtené; Neprečítané; Olvasatlan; Necitite; Necitit; Μη αναγνωσμένα; Μη αναγνωσμένο; 未読; 未读;
        未讀; 읽지않음; 읽지 않음; 안읽음; לא נקראו; לא נקרא; שלא נקראו; غير مقروءة; غير مقروء; غير المقروءة;
        Belum dibaca; Chưa đọc; ยังไม่ได้อ่าน; ยังไม่อ่าน; Nepročitano; Nepročitane; Непрочетени; No llegits;
        No llegit
    """,
    "opened": """
        Opened; Geöffnet; Ouvert; Ouverts; Abierto; Abiertos; Aberto; Abertos; Aberta; Lidas; Aperti; Aperto;
        Già letti; Letti; Geopend; Otwarte; Открытые; Прочитанные; Відкриті; Відкрито; Açıldı; Açılmış; Öppnat;
        Öppnade; Åbnet; Åpnet; Avatut; Avattu; Otevřené; Otvorené; Megnyitott; Megnyitva; Deschise; Deschis;
        Ανοιγμένα; Ανοίχτηκε; 開封済み; 開封済; 已打开; 已打開; 已開啟; 열림; 열어봄; נפתחו; נפתח; مفتوحة;
        تم فتحها; مفتوح; Dibuka; Đã mở; เปิดแล้ว; Otvoreno; Отворени; Oberts; Obert
    """,
    "starred": """
        Starred; Flagged; Markiert; Suivis; Messages suivis; Destacados; Com estrela; Speciali; Met ster;
        Oznaczone gwiazdką; Помеченные; Із зірочкою; Позначені зірочкою; Yıldızlı; Stjärnmärkta; Stjärnmärkt;
        Stjernemarkeret; Stjernemerket; Tähdellä merkityt; Tähdelliset; S hvězdičkou; S hviezdičkou;
        Csillagozott; Cu stea; Με αστέρι; スター付き; 已加星标; 已加星號; 별표편지함; 중요편지함; מסומן בכוכב;
        مميزة بنجمة; المميزة بنجمة; Berbintang; Có gắn dấu sao; ติดดาว; Označeno zvjezdicom; Със звезда;
        Destacats
    """,
}
