//! The words in headers of tables, as the exports of address books and people in several languages have them.
//!
//! They are in lower case, with `|` between them.

/// In the header of a column of phone numbers.
const PHONE: &str = "phone|mobile|mobil|cell|whatsapp|handy|telef|téléphone|portable|móvil|celular|cellulare|msisdn|\
    телефон|моб|сотов|电话|電話|手机|手機|携帯|전화|هاتف|טלפון";
/// The whole header of such a column.
const PHONE_EXACT: &str = "tel|tel.|contact number|contact no|contact no.|number|nummer|numero|número|numéro|numer|номер|chatid|chat id|jid|gsm";
/// In the header of a column that has none of these numbers, whatever else it says.
const NOT_PHONE: &str = "phonetic|type|label|fax|pager|mail|тип|факс|carrier|model|automob|automó|автомоб|cancel";
/// The whole header of a column of whole names.
pub const FULL_NAME: &str = "name|full name|fullname|display name|displayname|contact|contact name|фио|имя и фамилия|\
    полное имя|anzeigename|vollständiger name|nom complet|nombre completo|nome completo|naam|nazwa|姓名|名前|氏名|이름|\
    الاسم|שם";
/// The whole headers of columns with parts of names, in the order in which they are joined.
pub const NAME_PARTS: [&str; 3] = [
    "first name|firstname|given name|givenname|first|given|vorname|prénom|prenom|nombre|nome|имя|voornaam|imię",
    "middle name|middlename|additional name|middle|additional|отчество|zweiter vorname|deuxième prénom|segundo nombre",
    "last name|lastname|family name|familyname|surname|last|family|nachname|familienname|nom|nom de famille|apellido|\
     apellidos|cognome|sobrenome|фамилия|achternaam|nazwisko",
];
/// In the header of a column that is not a name, if a table has none of the columns above.
const NOT_NAME: &str = "nick|phonetic|organi|company|firma|компания|label|type|mail|group|note|url|address";

pub fn is_one_of(header: &str, words: &str) -> bool {
    words.split('|').any(|word| word == header)
}

pub fn is_phone(header: &str) -> bool {
    is_one_of(header, PHONE_EXACT) || has_word(header, PHONE) && !has_word(header, NOT_PHONE)
}

/// Whether a column may have names, if no other has.
pub fn may_be_name(header: &str) -> bool {
    !has_word(header, NOT_NAME)
}

fn has_word(header: &str, words: &str) -> bool {
    words.split('|').any(|word| header.contains(word))
}
