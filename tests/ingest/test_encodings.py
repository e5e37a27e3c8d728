"""Text in encodings that carry no mark, told by what reads as a language."""

from __future__ import annotations

import pytest

from ingest.parsers.html import parse_html
from ingest.parsers.text import decode

POLISH = "Zażółć gęślą jaźń. Raport kwartalny biura w Łodzi pokazuje wzrost sprzedaży."
CZECH = "Čtvrtletní zpráva kanceláře v Praze ukazuje růst prodeje. Představenstvo schválilo plán."
GERMAN = "Der Quartalsbericht des Zürcher Büros zeigt größeres Wachstum. Der Vorstand stimmte dem Plan zu."
SPANISH = "El informe trimestral de la oficina de Málaga muestra un fuerte crecimiento en señales y años."
TURKISH = "Ofisin üç aylık raporu satışların arttığını gösteriyor. Yönetim kurulu planı onayladı, şirket büyüyor."
RUSSIAN = "Квартальный отчёт московского офиса показывает рост продаж."
GREEK = "Η τριμηνιαία έκθεση του γραφείου της Αθήνας δείχνει αύξηση των πωλήσεων."
HEBREW = "הדוח הרבעוני של המשרד בתל אביב מראה צמיחה במכירות"
JAPANESE = "東京オフィスの四半期報告書です。売上高は前年同期比で増加しました。"
CHINESE = "北京办公室的季度报告显示，销售额同比增长。"
TAIWANESE = "台北辦公室的季度報告顯示，銷售額同比增長百分之十二。董事會批准了該計劃。"
KOREAN = "서울 사무소의 분기 보고서는 매출 증가를 보여줍니다."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (POLISH, "iso8859_2"),
        (POLISH, "cp1250"),
        (CZECH, "cp1250"),
        (GERMAN, "cp1252"),
        (GERMAN, "cp850"),
        (SPANISH, "cp1252"),
        (TURKISH, "cp1254"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (RUSSIAN, "cp866"),
        (GREEK, "iso8859_7"),
        (HEBREW, "cp1255"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        (CHINESE, "gb18030"),
        (TAIWANESE, "big5"),
        (KOREAN, "cp949"),
        ("plain words and more of them", "utf-16-le"),
        ("plain words and more of them", "utf-16-be"),
    ],
)
def test_an_encoding_without_a_mark_is_told_by_the_language(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_few_broken_bytes_do_not_make_utf8_something_else() -> None:
    content = GERMAN.encode() * 3 + b"\xff\xfe broken"
    assert decode(content).startswith(GERMAN)


def test_zeros_that_pad_a_log_are_dropped() -> None:
    assert decode(b"line one of the machine\0\0\0\nline two\0\0") == "line one of the machine\nline two"


def test_a_recoded_html_mail_is_read_as_what_it_is_not_as_what_it_says() -> None:
    page = '<html><head><meta charset="windows-1252"></head><body><p>Café “gut” für Señor</p></body></html>'
    assert [block.text for block in parse_html(page.encode()).blocks] == ["Café “gut” für Señor"]
    assert [block.text for block in parse_html(page.encode("cp1252")).blocks] == ["Café “gut” für Señor"]


@pytest.mark.parametrize("content", [b"text with\0a zero inside", b"first\0second\0third\0", b"\0at the start of it"])
def test_a_zero_or_two_make_no_binary_of_a_text(read, content: bytes) -> None:
    assert read("a.txt", content).text == content.replace(b"\0", b"").decode()


GOODS = "社員番号,氏名,部署\n00123,山田太郎,営業部\n00456,佐藤花子,経理部\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Name;Ort\nMüller;Köln\n", "cp1252"),
        ("Name;City\nJosé Díaz;Málaga\nFrançois;Orléans\n", "cp1252"),
        ("Nom;Prénom;Ville\nLefèvre;Hélène;Nîmes\n", "cp1252"),
        ("Nom;Prénom;Ville\nLefèvre;Hélène;Nîmes\n", "cp850"),
        ("Señor Núñez;España\n", "cp1252"),
        ("GRÖSSE;MENGE\nÄPFEL;3\n", "cp1252"),
        ("MÜLLER GMBH;KÖLN\nSTRAßE\n", "cp1252"),
        ("Name;Preis\nHelm;19,90 €\nSeil;5 €\n", "cp1252"),
        ("Sensor;Temp\nS1;21,5 °C\nS2;19 °C\n", "cp1252"),
        ("Temp 20°C to 25°C, 5 µm\n", "cp1252"),
        ("½ cup, 3¼ in, 10²\n", "cp1252"),
        ("don’t\n", "cp1252"),
        ("Ad;Bölüm\nAyşe Yıldız;Satış\nİsmail Çağlar;Üretim\n", "cp1254"),
        ("Imię;Dział\nŁukasz;Księgowość\nŻaneta;Sprzedaż\n", "cp1250"),
        ("Jméno;Oddělení\nJiří Novák;Účtárna\nŠárka Dvořáková;Prodej\n", "cp1250"),
        ("Цена;Товар\n12;Стол\n", "cp1251"),
        ("Όνομα;Τμήμα\nΠαπαδόπουλος;Πωλήσεις\n", "cp1253"),
        (GOODS, "cp932"),
        (GOODS, "euc_jp"),
        ("品名,単価,数量\n机,12000,3\n椅子,8000,6\n", "cp932"),
        ("品名,単価,数量\n机,12000,3\n椅子,8000,6\n", "euc_jp"),
        ("ｶﾅ氏名,住所\nﾔﾏﾀﾞ ﾀﾛｳ,東京都港区\n", "cp932"),
        ("2023年5月10日 会議 A社とB社\n", "euc_jp"),
        ("产品,价格\n桌子,120\n椅子,45\n", "gb18030"),
        ("iPhone 15 Pro 手机 128GB 价格 5999 元\n", "gb18030"),
        ("產品,價格\n桌子,120\n椅子,45\n", "big5"),
        ("사번,이름,부서\n00123,김철수,영업부\n00456,박영희,재무부\n", "cp949"),
        ("Python으로 데이터를 분석합니다.\n", "cp949"),
    ],
)
def test_a_few_words_in_a_table_are_read_in_their_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_long_text_of_one_line_may_be_cut_within_a_character() -> None:
    text = "x" + JAPANESE.replace("\n", "") * 400
    assert decode(text.encode("cp932")) == text
    many = "plain words\n" * 80_000 + JAPANESE * 3_000
    assert decode(many.encode("cp932")) == many


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(POLISH, "iso8859_2"), (RUSSIAN, "koi8_r"), (GREEK, "iso8859_7"), (GERMAN, "mac_roman"), (JAPANESE, "euc_jp")],
)
def test_a_page_that_does_not_say_its_encoding_is_read_in_whichever_it_is(text: str, encoding: str) -> None:
    (block,) = parse_html(f"<html><body><p>{text}</p></body></html>".encode(encoding)).blocks
    assert block.text == text
