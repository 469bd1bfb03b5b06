//! `contacts` and `gallery`: address books, and the page that shows pictures by name.

use std::path::PathBuf;

use clap::{Args, value_parser};

use super::help;

const CONTACTS_HELP: &str = "\
Examples:
  greenavatar contacts | greenavatar get - --lenient --dir avatars
  greenavatar contacts --groups
  greenavatar contacts --recent --limit 20
  greenavatar contacts --from contacts.csv phone.vcf > list.txt
  greenavatar contacts --from numbers.txt --country-code 44

This prints an address book, names and numbers of people, to standard output.
Nothing is stored. Each line is a chat id, a tab and the name, which is the
input format of all lists. get and request also take --contacts.

Methods:
  getContacts, with --recent getChats; getWaSettings if the list is empty

Conversion:
  --from reads CSV with commas, semicolons or tabs, vCard 2.1, 3.0 and 4.0, and
  plain lines of numbers. A number needs + or 00 and its country code, or 11 or
  12 digits; --country-code N adds the code to the others. A number that cannot
  be converted is reported with its line; the others are printed.";

/// List the account's contacts and groups (getContacts, getChats), or convert CSV and vCard files
#[derive(Debug, Args)]
#[command(after_help = help::footer(help::CREDENTIALS))]
#[command(after_long_help = help::with_service(&[CONTACTS_HELP]))]
pub struct ContactsArgs {
    /// List only people
    #[arg(long, help_heading = "List", conflicts_with = "groups")]
    pub people: bool,
    /// List only groups
    #[arg(long, help_heading = "List")]
    pub groups: bool,
    /// List chats, the one with the most recent message first
    #[arg(long, help_heading = "List")]
    pub recent: bool,
    /// Print at most N lines
    #[arg(long, value_name = "N", help_heading = "List", value_parser = value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Convert CSV, vCard or text files, - for standard input; needs no credentials
    #[arg(long, value_name = "FILE", help_heading = "Convert", num_args = 1..)]
    #[arg(conflicts_with_all = ["people", "groups", "recent"])]
    pub from: Vec<PathBuf>,
    /// Country code of numbers without one, such as 44
    #[arg(long, value_name = "N", help_heading = "Convert", requires = "from", value_parser = parse_country_code)]
    pub country_code: Option<String>,
}

const GALLERY_HELP: &str = "\
Examples:
  greenavatar gallery avatars
  greenavatar contacts > contacts.txt && greenavatar gallery avatars --names contacts.txt
  greenavatar gallery avatars -o avatars.html

The page shows the pictures that `get --dir DIR` saved, the newest change
first, and beside each the earlier ones that --history kept. Any browser opens
it; it loads nothing but the pictures.";

const GALLERY_FILES: &str = "\
DIR/index.html         the page, unless -o names another file
  DIR/history/<chatId>/  earlier pictures";

/// Write an HTML page that shows the pictures in DIR; needs no credentials and sends nothing
#[derive(Debug, Args)]
#[command(after_help = help::footer(""))]
#[command(after_long_help = help::sections(&[GALLERY_HELP], help::NO_COLOR, GALLERY_FILES))]
pub struct GalleryArgs {
    /// Directory with the pictures
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Show the names in FILE, one `chatId<TAB>name` a line; - for standard input
    #[arg(long, value_name = "FILE")]
    pub names: Option<PathBuf>,
    /// Write the page to FILE [default: DIR/index.html]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

fn parse_country_code(text: &str) -> Result<String, String> {
    let code = text.strip_prefix('+').unwrap_or(text);
    let is_code = (1..=4).contains(&code.len()) && !code.starts_with('0') && code.bytes().all(|b| b.is_ascii_digit());
    if is_code { Ok(code.to_owned()) } else { Err("a country code has 1 to 4 digits, like 1, 44 or 375".into()) }
}
