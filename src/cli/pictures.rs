//! `get`, `request`, `contacts` and `gallery`, and what every list takes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, value_parser};

use super::help;
use crate::duration::{parse_duration, parse_timeout};
use crate::greenapi::contacts::List;
use crate::pictures::url::AllowedHost;

/// The chats, how fast they are requested, and where they are recorded: the same for every list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Chat ids, like 11001234567@c.us or 120363043968066561@g.us; - reads standard input
    #[arg(value_name = "CHAT_ID", required_unless_present_any = ["from", "contacts"])]
    pub chats: Vec<OsString>,
    /// Read chat ids from FILE, one a line; a tab and a name may follow
    #[arg(long, value_name = "FILE", help_heading = "List")]
    pub from: Vec<PathBuf>,
    /// Take the account's contacts: all (default), people, groups or recent
    #[arg(long, value_name = "WHICH", help_heading = "List", hide_possible_values = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "all", conflicts_with_all = ["chats", "from"])]
    #[arg(value_parser = PossibleValuesParser::new(["all", "people", "groups", "recent"]).map(|word| list(&word)))]
    pub contacts: Option<List>,
    /// Also accept 7 to 16 digits and @lid [env: GREEN_API_LENIENT]
    #[arg(long, help_heading = "List", hide_short_help = true)]
    pub lenient: bool,
    /// Record results in FILE and skip chats already done; run again to resume
    #[arg(long, value_name = "FILE", help_heading = "Resume")]
    pub journal: Option<PathBuf>,
    /// Skip only chats done within DURATION, such as 20h for a nightly job
    #[arg(long, value_name = "DURATION", help_heading = "Resume", hide_short_help = true)]
    #[arg(value_parser = parse_duration, requires = "journal")]
    pub max_age: Option<Duration>,
    /// Requests a second, retries included; 0: no limit
    #[arg(long, value_name = "N", help_heading = "Pace", value_parser = parse_rate, default_value = "10")]
    pub rate: f64,
    /// Requests at a time, each on its own connection
    #[arg(long, value_name = "N", help_heading = "Pace", default_value = "8")]
    #[arg(value_parser = value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Stop after N chats in a row for which the service was unavailable; 0: never
    #[arg(long, value_name = "N", help_heading = "Pace", hide_short_help = true, default_value = "20")]
    pub give_up_after: u32,
}

/// Where pictures are saved, and from which hosts: the same for every command that saves them.
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// Save pictures in DIR, created if missing, as <chatId>.jpg, .png or .webp
    #[arg(long, value_name = "DIR", help_heading = "Save")]
    pub dir: Option<PathBuf>,
    /// Keep replaced and gone pictures in DIR/history/<chatId>/, named by save time
    #[arg(long, help_heading = "Save", requires = "dir")]
    pub history: bool,
    /// Also download from HOST, even at a private address; by http only if HOST is this machine
    #[arg(long, value_name = "HOST", help_heading = "Save", hide_short_help = true, value_parser = AllowedHost::parse)]
    pub allow_host: Vec<AllowedHost>,
}

const GET_HELP: &str = "\
Examples:
  greenavatar get 11001234567@c.us
  greenavatar get 11001234567@c.us -o picture.jpg
  greenavatar get 11001234567@c.us --show
  greenavatar get --from contacts.txt --dir avatars --history --only-changes

Changes:
  new         there was no file before
  changed     the file had another picture
  unchanged   the file has this picture already and is not written
  gone        there is a file from before, but no picture now
  (with --dir or -o FILE)

Pictures are downloaded by https from *.whatsapp.net. Other hosts need
--allow-host, unless GREEN_API_URL is on this machine and they are the same
server. A picture is a complete JPEG, PNG or WebP file of at most 5 MiB.
With --journal, a chat with a picture is done as long as its file is there.
Anyone who has the URL of a picture can open it until it expires.";

/// Get profile pictures with getAvatar, which answers at once, and save them
#[derive(Debug, Args)]
#[command(after_help = help::footer(help::CREDENTIALS))]
#[command(after_long_help = help::with_service(&[GET_HELP, help::STATUSES]))]
#[command(group = clap::ArgGroup::new("destination").args(["output", "dir"]))]
pub struct GetArgs {
    /// Save the picture of one chat as FILE; - writes it to standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Save", conflicts_with = "history")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub save: SaveArgs,
    /// Print only new, changed and gone pictures and failures, otherwise nothing
    #[arg(long, help_heading = "Save", requires = "dir", conflicts_with = "output")]
    pub only_changes: bool,
    /// Skip chats that have a picture in DIR
    #[arg(long, help_heading = "Save", requires = "dir", conflicts_with = "output")]
    pub skip_existing: bool,
    /// Draw the pictures in the terminal
    #[arg(long, help_heading = "Save")]
    pub show: bool,
    #[command(flatten)]
    pub chats: ListArgs,
}

const REQUEST_HELP: &str = "\
Examples:
  greenavatar request 11001234567@c.us 120363043968066561@g.us
  greenavatar request - --journal done.ndjson < contacts.txt
  greenavatar request --wait --fallback --dir avatars 11001234567@c.us
  greenavatar request --dry-run 11001234567@c.us
  greenavatar --sandbox request 11001234466@c.us   rehearse a quota error

GREEN-API answers getAvatarAsync with a status only and sends the picture's
URL later, as a notification. GREEN-API's documentation marks the method as
\"not used\" and the notification as \"temporarily not working\", so a result may
never arrive. --wait takes results off the queue; --fallback then asks with
getAvatar, as `greenavatar get` does, for chats without a result.";

/// Ask for profile pictures with getAvatarAsync; the results arrive later, as notifications
#[derive(Debug, Args)]
#[command(after_help = help::footer(help::CREDENTIALS))]
#[command(after_long_help = help::with_service(&[REQUEST_HELP, help::STATUSES]))]
pub struct RequestArgs {
    /// Wait for each result for up to DURATION after its request [default: 2m]
    #[arg(long, value_name = "DURATION", help_heading = "Results", value_parser = parse_timeout)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "2m")]
    pub wait: Option<Duration>,
    /// Ask with getAvatar for chats without a result at the end of their wait
    #[arg(long, help_heading = "Results", requires = "wait")]
    pub fallback: bool,
    /// Move other programs' notifications from the queue to FILE, one a line
    #[arg(long, value_name = "FILE", help_heading = "Results", requires = "wait")]
    pub spool: Option<PathBuf>,
    #[command(flatten)]
    pub save: SaveArgs,
    #[command(flatten)]
    pub chats: ListArgs,
    /// Print the equivalent curl commands and send nothing
    #[arg(long, help_heading = "Output", conflicts_with = "contacts")]
    pub dry_run: bool,
}

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

fn list(word: &str) -> List {
    let groups = match word {
        "people" => Some(false),
        "groups" => Some(true),
        _ => None,
    };
    List { is_recent: word == "recent", groups }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate == 0.0 || (0.001..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number of requests a second, such as 10 or 0.5; 0 lifts the limit".into()),
    }
}

fn parse_country_code(text: &str) -> Result<String, String> {
    let code = text.strip_prefix('+').unwrap_or(text);
    let is_code = (1..=4).contains(&code.len()) && !code.starts_with('0') && code.bytes().all(|b| b.is_ascii_digit());
    if is_code { Ok(code.to_owned()) } else { Err("a country code has 1 to 4 digits, like 1, 44 or 375".into()) }
}
