//! `--show`: draws a picture in a terminal, inline if the terminal can, else in coloured half-blocks or spaces.
//!
//! The terminal is recognised by its environment variables. It is not queried: a missing answer would cost a wait.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::download::Format;

/// Height of a picture in lines.
const ROWS: usize = 16;
/// Its side in half-blocks, which are as wide as high.
const SIDE: usize = 2 * ROWS;
/// Avatars are smaller; a larger picture would take much memory.
const LARGEST_SIDE: usize = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canvas {
    /// iTerm2's sequence with the file as it is, also in WezTerm, mintty and Konsole.
    Iterm,
    /// kitty's sequence with PNG or pixels.
    Kitty,
    Cells {
        /// 16 million colours, not 256.
        is_true_color: bool,
        /// Half-blocks, ▀, show two pixels a cell; a space, if the locale is not UTF-8, shows one.
        has_half_blocks: bool,
    },
}

impl Canvas {
    /// The terminal's, by the environment variables `env`; `None` if it cannot show pictures.
    pub fn of(env: &dyn Fn(&str) -> Option<String>) -> Option<Canvas> {
        let term = env("TERM").unwrap_or_default();
        let program = env("TERM_PROGRAM").unwrap_or_default();
        if term.is_empty() || term == "dumb" {
            return None;
        }
        // Multiplexers drop inline pictures.
        let is_multiplexed = env("TMUX").is_some() || term.starts_with("screen") || term.starts_with("tmux");
        if !is_multiplexed {
            let konsole = env("KONSOLE_VERSION").and_then(|version| version.parse::<u32>().ok());
            if ["iTerm.app", "WezTerm", "mintty"].contains(&program.as_str())
                || env("LC_TERMINAL").as_deref() == Some("iTerm2")
                || konsole.is_some_and(|version| version >= 220_400)
            {
                return Some(Canvas::Iterm);
            }
            if term == "xterm-kitty" || term == "xterm-ghostty" || env("KITTY_WINDOW_ID").is_some() {
                return Some(Canvas::Kitty);
            }
        }
        let colors = env("COLORTERM").unwrap_or_default();
        let is_true_color = matches!(colors.as_str(), "truecolor" | "24bit") || term.ends_with("-direct");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env).find(|value| !value.is_empty());
        let has_half_blocks = locale.unwrap_or_default().to_ascii_lowercase().replace('-', "").contains("utf8");
        Some(Canvas::Cells { is_true_color, has_half_blocks })
    }

    /// The text that draws the picture, with a newline at the end; `None` if it cannot be drawn.
    pub fn draw(self, picture: &[u8]) -> Option<String> {
        let format = Format::of(picture)?;
        match (self, format) {
            (Canvas::Iterm, _) => Some(iterm(picture)),
            (Canvas::Kitty, Format::Png) => Some(kitty("f=100", picture)),
            (Canvas::Kitty, Format::Jpeg) => {
                let Pixels { width, height, rgb } = Pixels::decode(picture)?;
                Some(kitty(&format!("f=24,s={width},v={height}"), &rgb))
            }
            (Canvas::Cells { is_true_color, has_half_blocks }, Format::Jpeg) => {
                Some(cells(&Pixels::decode(picture)?, is_true_color, has_half_blocks))
            }
            (Canvas::Kitty, Format::WebP) | (Canvas::Cells { .. }, Format::Png | Format::WebP) => None,
        }
    }
}

fn iterm(picture: &[u8]) -> String {
    let size = picture.len();
    let data = STANDARD.encode(picture);
    format!("\u{1b}]1337;File=inline=1;size={size};height={ROWS};preserveAspectRatio=1:{data}\u{7}\n")
}

fn kitty(keys: &str, data: &[u8]) -> String {
    // At most 4096 characters a piece, and a multiple of four in all but the last.
    const PIECE: usize = 4096;
    let data = STANDARD.encode(data);
    let pieces = data.len().div_ceil(PIECE);
    let mut out = String::with_capacity(data.len() + pieces * 16);
    for (nth, piece) in data.as_bytes().chunks(PIECE).enumerate() {
        let more = u8::from(nth + 1 < pieces);
        let first = if nth == 0 { format!("a=T,{keys},r={ROWS},q=2,") } else { String::new() };
        out.push_str(&format!("\u{1b}_G{first}m={more};"));
        out.push_str(std::str::from_utf8(piece).expect("base64 is ASCII"));
        out.push_str("\u{1b}\\");
    }
    out.push('\n');
    out
}

/// A decoded picture, three bytes a pixel.
struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Pixels {
    fn decode(jpeg: &[u8]) -> Option<Pixels> {
        let options = DecoderOptions::default()
            .set_max_width(LARGEST_SIDE)
            .set_max_height(LARGEST_SIDE)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let rgb = decoder.decode().ok()?;
        let (width, height) = decoder.dimensions()?;
        (width > 0 && height > 0 && rgb.len() == width * height * 3).then_some(Pixels { width, height, rgb })
    }

    /// The mean colour of one of `columns` × `rows` fields of the picture.
    fn mean(&self, column: usize, row: usize, columns: usize, rows: usize) -> [u8; 3] {
        let span = |at: usize, of: usize, length: usize| {
            let start = at * length / of;
            start..((at + 1) * length / of).max(start + 1).min(length)
        };
        let (mut sum, mut count) = ([0u64; 3], 0);
        for y in span(row, rows, self.height) {
            for x in span(column, columns, self.width) {
                let at = (y * self.width + x) * 3;
                for (sum, value) in sum.iter_mut().zip(&self.rgb[at..at + 3]) {
                    *sum += u64::from(*value);
                }
                count += 1;
            }
        }
        sum.map(|sum| (sum / count.max(1)) as u8)
    }
}

/// Half-blocks show two fields, the upper as foreground and the lower as background; spaces show one.
fn cells(pixels: &Pixels, is_true_color: bool, has_half_blocks: bool) -> String {
    // The longer side fills the square; the shape is kept.
    let longest = pixels.width.max(pixels.height);
    let fit = |length: usize| (length * SIDE / longest).max(1);
    let (columns, rows) = (fit(pixels.width), fit(pixels.height).next_multiple_of(2));
    let color = |[r, g, b]: [u8; 3]| match is_true_color {
        true => format!("2;{r};{g};{b}"),
        false => format!("5;{}", indexed([r, g, b])),
    };
    let mut out = String::new();
    for row in 0..rows / 2 {
        let mut last = String::new();
        for column in 0..columns {
            let field = |row, rows| color(pixels.mean(column, row, columns, rows));
            let (shown, colors) = match has_half_blocks {
                true => ('▀', format!("38;{};48;{}", field(2 * row, rows), field(2 * row + 1, rows))),
                false => (' ', format!("48;{}", field(row, rows / 2))),
            };
            if colors != last {
                out.push_str(&format!("\u{1b}[{colors}m"));
                last = colors;
            }
            out.push(shown);
        }
        out.push_str("\u{1b}[0m\n");
    }
    out
}

/// The nearest colour of the 6 × 6 × 6 cube, or of the grey ramp if there is hardly any colour.
fn indexed([r, g, b]: [u8; 3]) -> u8 {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most - least < 10 {
        let grey = u16::from(g);
        return match grey {
            0..=4 => 16,
            245.. => 231,
            _ => 232 + ((grey - 3) / 10).min(23) as u8,
        };
    }
    // The cube's steps are 0, 95, 135, 175, 215, 255.
    let step = |value: u8| {
        if value < 48 {
            0
        } else if value < 115 {
            1
        } else {
            (value - 35) / 40
        }
    };
    16 + 36 * step(r) + 6 * step(g) + step(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUE_COLOR: Canvas = Canvas::Cells { is_true_color: true, has_half_blocks: true };
    const INDEXED: Canvas = Canvas::Cells { is_true_color: false, has_half_blocks: true };
    const SPACES: Canvas = Canvas::Cells { is_true_color: false, has_half_blocks: false };

    fn canvas(variables: &[(&str, &str)]) -> Option<Canvas> {
        Canvas::of(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
    }

    /// A JPEG with a red upper half and a blue lower half.
    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let pixels = usize::from(width) * usize::from(height);
        let rgb: Vec<u8> = (0..pixels).flat_map(|at| if at < pixels / 2 { [255, 0, 0] } else { [0, 0, 255] }).collect();
        let mut out = Vec::new();
        jpeg_encoder::Encoder::new(&mut out, 90)
            .encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb)
            .expect("encoded");
        out
    }

    #[test]
    fn a_terminal_is_recognised_by_its_variables() {
        assert_eq!(canvas(&[]), None);
        assert_eq!(canvas(&[("TERM", "dumb")]), None);
        let utf8 = ("LANG", "C.UTF-8");
        assert_eq!(canvas(&[("TERM", "xterm-256color"), utf8]), Some(INDEXED));
        assert_eq!(canvas(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), utf8]), Some(TRUE_COLOR));
        assert_eq!(canvas(&[("TERM", "xterm"), ("TERM_PROGRAM", "WezTerm")]), Some(Canvas::Iterm));
        assert_eq!(canvas(&[("TERM", "xterm"), ("KONSOLE_VERSION", "220400")]), Some(Canvas::Iterm));
        assert_eq!(canvas(&[("TERM", "xterm"), ("KONSOLE_VERSION", "210000"), utf8]), Some(INDEXED));
        assert_eq!(canvas(&[("TERM", "xterm-kitty")]), Some(Canvas::Kitty));
        assert_eq!(canvas(&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "WezTerm"), utf8]), Some(INDEXED));
    }

    #[test]
    fn half_blocks_need_utf_8() {
        let xterm = ("TERM", "xterm");
        for spaces in [&[][..], &[("LANG", "C")], &[("LANG", "de_DE.UTF-8"), ("LC_ALL", "POSIX")]] {
            assert_eq!(canvas(&[&[xterm], spaces].concat()), Some(SPACES), "{spaces:?}");
        }
        for blocks in [&[("LANG", "en_US.utf8")][..], &[("LANG", "C"), ("LC_CTYPE", "C.UTF-8"), ("LC_ALL", "")]] {
            assert_eq!(canvas(&[&[xterm], blocks].concat()), Some(INDEXED), "{blocks:?}");
        }
    }

    #[test]
    fn iterm_gets_the_file_unchanged() {
        let drawn = Canvas::Iterm.draw(b"\xff\xd8\xff\xe0 x").expect("drawn");
        assert!(
            drawn.starts_with("\u{1b}]1337;File=inline=1;size=6;") && drawn.ends_with(":/9j/4CB4\u{7}\n"),
            "{drawn:?}"
        );
        assert_eq!(Canvas::Iterm.draw(b"\x1b]52;c;evil"), None);
    }

    #[test]
    fn kitty_gets_pieces_of_at_most_4096_characters() {
        let drawn = Canvas::Kitty.draw(&jpeg(64, 64)).expect("drawn");
        let pieces: Vec<_> = drawn.trim_end().split_terminator("\u{1b}\\").collect();
        assert_eq!(pieces.len(), (64 * 64 * 3 / 3 * 4_usize).div_ceil(4096));
        assert!(pieces[0].starts_with("\u{1b}_Ga=T,f=24,s=64,v=64,r=16,q=2,m=1;"));
        assert!(pieces.last().expect("one").starts_with("\u{1b}_Gm=0;"));
        assert!(pieces.iter().all(|piece| piece.split_once(';').expect("keys").1.len() <= 4096));
    }

    #[test]
    fn half_blocks_show_an_upper_and_a_lower_field() {
        let drawn = INDEXED.draw(&jpeg(64, 64)).expect("drawn");
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(lines.len(), ROWS);
        assert!(lines.iter().all(|line| line.matches('▀').count() == SIDE && line.ends_with("\u{1b}[0m")));
        assert!(lines[0].starts_with("\u{1b}[38;5;196;48;5;196m"), "{:?}", lines[0]);
        assert!(lines[ROWS - 1].starts_with("\u{1b}[38;5;21;48;5;21m"), "{:?}", lines[ROWS - 1]);
    }

    #[test]
    fn spaces_show_one_field_each() {
        let drawn = SPACES.draw(&jpeg(64, 64)).expect("drawn");
        let lines: Vec<_> = drawn.lines().collect();
        assert!(drawn.is_ascii());
        assert_eq!(lines.len(), ROWS);
        assert_eq!(lines[0], format!("\u{1b}[48;5;196m{}\u{1b}[0m", " ".repeat(SIDE)));
        assert_eq!(lines[ROWS - 1], format!("\u{1b}[48;5;21m{}\u{1b}[0m", " ".repeat(SIDE)));
    }

    #[test]
    fn grey_and_rectangular_pictures_are_drawn() {
        let mut grey = Vec::new();
        jpeg_encoder::Encoder::new(&mut grey, 90)
            .encode(&[128; 16 * 16], 16, 16, jpeg_encoder::ColorType::Luma)
            .expect("encoded");
        let drawn = TRUE_COLOR.draw(&grey).expect("drawn");
        assert!(drawn.starts_with("\u{1b}[38;2;128;128;128;48;2;128;128;128m▀▀"), "{drawn:?}");
        let wide = TRUE_COLOR.draw(&jpeg(64, 16)).expect("drawn");
        assert_eq!((wide.lines().count(), wide.matches('▀').count()), (4, 4 * SIDE));
    }

    #[test]
    fn a_picture_that_cannot_be_decoded_is_not_drawn() {
        let whole = jpeg(64, 64);
        for canvas in [Canvas::Kitty, TRUE_COLOR, INDEXED, SPACES] {
            assert_eq!(canvas.draw(b"\xff\xd8\xff\xe0 no picture"), None);
            assert_eq!(canvas.draw(b"RIFF\x24\0\0\0WEBPVP8 "), None);
            assert_eq!(canvas.draw(&jpeg(2100, 8)), None, "too large");
            // A picture that is cut anywhere must not panic.
            for cut in (0..whole.len()).step_by(7) {
                let _ = canvas.draw(&whole[..cut]);
            }
        }
    }
}
