//! The commands that ask for pictures, and what all lists take.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::duration::{parse_duration, parse_timeout};
use crate::greenapi::contacts::List;
use crate::pictures::url::AllowedHost;

/// Where chats come from and how fast they go: the same for every command that takes a list.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Chat ids: 11 or 12 digits and @c.us, or digits and @g.us; - reads a list from standard input
    #[arg(value_name = "CHAT_ID", required_unless_present_any = ["from", "contacts"])]
    pub chats: Vec<OsString>,
    /// Read chat ids from a file, one a line; a tab and a name may follow
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// Ask for the account's own contacts: all of them, people, groups, or recent chats
    #[arg(long, value_name = "WHICH", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "all", conflicts_with_all = ["chats", "from"])]
    pub contacts: Option<Which>,
    /// Also accept 7 to 16 digits and @lid [env: GREEN_API_LENIENT]
    #[arg(long)]
    pub lenient: bool,
    /// Requests a second at most, repeats included; 0 lifts the limit
    #[arg(long, value_name = "N", value_parser = parse_rate, default_value = "10")]
    pub rate: f64,
    /// Workers, with one connection each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), default_value = "8")]
    pub concurrency: u16,
    /// Record results in FILE and skip chats already done; run again to resume
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Skip only what the journal has done within this time, as in 20h for a nightly job
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "journal")]
    pub max_age: Option<Duration>,
    /// End the run after N chats in a row for which the service was unavailable; 0: never
    #[arg(long, value_name = "N", default_value = "20")]
    pub give_up_after: u32,
}

/// Where pictures are saved, and from which hosts: the same for every command that saves them.
#[derive(Debug, clap::Args)]
pub struct SaveArgs {
    /// Save pictures in DIR, which is made if it is missing, as <chatId>.jpg, .png or .webp
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Move a picture that is replaced or gone to DIR/history/<chatId>/, named by the time it was saved
    #[arg(long, requires = "dir")]
    pub history: bool,
    /// Also allow picture URLs on HOST, even at a private address; by http only if HOST is on this machine
    #[arg(long, value_name = "HOST", value_parser = AllowedHost::parse)]
    pub allow_host: Vec<AllowedHost>,
}

/// Which contacts of the account.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Which {
    /// People and groups
    All,
    /// People
    People,
    /// Groups
    Groups,
    /// Chats, the one with the most recent message first
    Recent,
}

impl From<Which> for List {
    fn from(which: Which) -> List {
        let groups = match which {
            Which::People => Some(false),
            Which::Groups => Some(true),
            Which::All | Which::Recent => None,
        };
        List { is_recent: matches!(which, Which::Recent), groups }
    }
}

const CONTACTS_HELP: &str = "\
Examples:
  greenavatar contacts | greenavatar get - --lenient --dir avatars
  greenavatar contacts --groups
  greenavatar contacts --recent --limit 20
  greenavatar contacts --from contacts.csv phone.vcf > list.txt
  greenavatar contacts --from numbers.txt --country-code 44

It prints an address book: names and numbers of people, on standard output.
Nothing is stored. Each line is a chat id, a tab and the name; all lists take
such lines. `get` and `request` also ask for the account's contacts directly,
with --contacts.

GREEN-API's methods: getContacts, with --recent getChats; getWaSettings if the
list is empty.

--from reads CSV with commas, semicolons or tabs, vCard 2.1, 3.0 and 4.0, and
plain lines of numbers. A number needs + or 00 and its country code, or 11 or
12 digits; --country-code N adds the code to the others. What cannot be
converted is an error with its line, and the rest is printed.";

/// Print the account's contacts and groups (getContacts, getChats), or convert a CSV or vCard file
#[derive(Debug, clap::Args)]
#[command(after_help = CONTACTS_HELP)]
pub struct ContactsArgs {
    /// Only people
    #[arg(long, conflicts_with = "groups")]
    pub people: bool,
    /// Only groups
    #[arg(long)]
    pub groups: bool,
    /// Chats, the one with the most recent message first
    #[arg(long)]
    pub recent: bool,
    /// Print at most N lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Convert these CSV, vCard or text files instead, - for standard input; needs no credentials
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["people", "groups", "recent"])]
    pub from: Vec<PathBuf>,
    /// Country code of the numbers that have none, like 44
    #[arg(long, value_name = "N", requires = "from", value_parser = parse_country_code)]
    pub country_code: Option<String>,
}

const GALLERY_HELP: &str = "\
Examples:
  greenavatar gallery avatars
  greenavatar contacts > contacts.txt && greenavatar gallery avatars --names contacts.txt
  greenavatar gallery avatars -o avatars.html

The page is DIR/index.html. It shows the pictures that `get --dir DIR` saved, the newest change first, and beside each
the earlier ones that --history kept. Any browser opens it; it loads nothing but the pictures. No credentials are
needed, and nothing is sent.";

/// Write an HTML page that shows the pictures in DIR
#[derive(Debug, clap::Args)]
#[command(after_help = GALLERY_HELP)]
pub struct GalleryArgs {
    /// The directory with the pictures
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Show the names of this list, one `chatId<TAB>name` a line; - for standard input
    #[arg(long, value_name = "FILE")]
    pub names: Option<PathBuf>,
    /// Write the page to FILE [default: DIR/index.html]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

const REQUEST_HELP: &str = "\
Examples:
  greenavatar request 11001234567@c.us 120363043968066561@g.us
  greenavatar request - --journal done.ndjson < contacts.txt
  greenavatar request --wait --fallback --dir avatars 11001234567@c.us
  greenavatar request --dry-run 11001234567@c.us
  greenavatar --sandbox request 11001234466@c.us   rehearse a quota error

GREEN-API answers this method with its status alone. The avatar comes later,
as a notification, if it comes: GREEN-API marks the method \"not used\" and the
notification \"temporarily not working\". --wait takes it off the queue, and
--fallback asks with getAvatar for what has not come, as `greenavatar get`
does for everything.";

/// Ask asynchronously for avatars (getAvatarAsync)
#[derive(Debug, clap::Args)]
#[command(after_help = REQUEST_HELP)]
pub struct RequestArgs {
    /// The chats, their pace and their journal.
    #[command(flatten)]
    pub chats: ListArgs,
    /// Wait for the results, each for so long after its request [default: 2m]
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, num_args = 0..=1, require_equals = true, default_missing_value = "2m")]
    pub wait: Option<Duration>,
    /// Append other programs' notifications to FILE, one a line, and delete them
    #[arg(long, value_name = "FILE", requires = "wait")]
    pub spool: Option<PathBuf>,
    /// Ask with getAvatar for what has no result when its wait is over
    #[arg(long, requires = "wait")]
    pub fallback: bool,
    /// Where pictures are saved, with --wait.
    #[command(flatten)]
    pub save: SaveArgs,
    /// Print the curl commands that do the same, and send nothing
    #[arg(long, conflicts_with = "contacts")]
    pub dry_run: bool,
}

const GET_HELP: &str = "\
Examples:
  greenavatar get 11001234567@c.us
  greenavatar get 11001234567@c.us -o picture.jpg
  greenavatar get 11001234567@c.us --show
  greenavatar get --from contacts.txt --dir avatars --history --only-changes

Statuses:
  found        there is a picture; the line has its file, otherwise its URL
  none         no picture, or no WhatsApp account: the service answers both alike
  hidden       privacy settings hide the picture
  no-account   no WhatsApp account; only older instances answer this, also for
               accounts without a picture

Changes, with --dir or -o FILE:
  new          there was no file before
  changed      there was another picture
  unchanged    the file has this picture already, and is not touched
  gone         there is a file from before, and the chat has no picture now

With --journal, a chat whose picture was found is done while its file is there.

GREEN-API's method: getAvatar. Pictures are downloaded by https from
*.whatsapp.net; other hosts need --allow-host, unless they are GREEN_API_URL
on this machine. A picture is a complete JPEG, PNG or WebP of at most 5 MiB.
Anybody who has a picture's URL can open it until it expires.";

/// Ask for avatars and get the answer at once (getAvatar); save the pictures
#[derive(Debug, clap::Args)]
#[command(after_help = GET_HELP)]
#[command(group = clap::ArgGroup::new("destination").args(["output", "dir"]))]
pub struct GetArgs {
    /// The chats, their pace and their journal.
    #[command(flatten)]
    pub chats: ListArgs,
    /// Save the picture of one chat as FILE; - writes only the picture to standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "history")]
    pub output: Option<PathBuf>,
    /// Where pictures are saved.
    #[command(flatten)]
    pub save: SaveArgs,
    /// Print only new, changed and gone pictures and failures; nothing at all if there are none
    #[arg(long, requires = "dir", conflicts_with = "output")]
    pub only_changes: bool,
    /// Do not ask about chats that have a picture in DIR
    #[arg(long, requires = "dir", conflicts_with = "output")]
    pub skip_existing: bool,
    /// Draw the pictures if standard output is a terminal
    #[arg(long)]
    pub show: bool,
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
