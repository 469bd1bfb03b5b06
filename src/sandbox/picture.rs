//! The pictures: an identicon drawn from the number, its last digits below, so that one can tell at a glance whose it is.
//! The same number gives the same bytes, always. Knows digits and pixels, nothing of chats or URLs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hyper::body::Bytes;
use jpeg_encoder::{ColorType, Encoder};

mod canvas;
mod digits;

use canvas::{Canvas, Colour};

/// Sides in pixels of a picture and of its preview.
const SIDE: u16 = 640;
const PREVIEW: u16 = 96;

/// Pictures that are kept once drawn.
const KEPT: usize = 64;

/// Pictures that were drawn already.
#[derive(Default)]
pub struct Gallery {
    drawn: Mutex<HashMap<(Box<str>, bool), Bytes>>,
}

impl Gallery {
    /// The JPEG of a number.
    pub fn picture(&self, number: &str, preview: bool) -> Bytes {
        let key = (Box::from(number), preview);
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(picture) = drawn.get(&key) {
            return picture.clone();
        }
        if drawn.len() >= KEPT {
            drawn.clear();
        }
        let picture = Bytes::from(draw(number, if preview { PREVIEW } else { SIDE }));
        drawn.insert(key, picture.clone());
        picture
    }
}

/// Cells in a row of the identicon; the right half mirrors the left.
const CELLS: usize = 5;

/// Draws a number's picture and encodes it.
fn draw(number: &str, side: u16) -> Vec<u8> {
    let mut chance = hash(number.bytes());
    let mut dice = |sides: u64| {
        chance = mix(chance);
        chance % sides
    };
    let hue = dice(360) as f32;
    let paper = Colour::from_hsl(hue, 0.48, 0.92);
    let ink = Colour::from_hsl(hue, 0.55, 0.38);
    let accent = Colour::from_hsl(hue + 30.0 + dice(60) as f32, 0.62, 0.58);
    let mut canvas = Canvas::new(side, paper);
    for row in 0..CELLS {
        for column in 0..CELLS.div_ceil(2) {
            let colour = match dice(20) {
                0..8 => ink,
                8..12 => accent,
                _ => continue,
            };
            let round = dice(4) == 0;
            for column in [column, CELLS - 1 - column] {
                cell(&mut canvas, row, column, colour, round);
            }
        }
    }
    write(&mut canvas, &number[number.len().saturating_sub(4)..], ink);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 88)
        .encode(canvas.pixels(), side, side, ColorType::Rgb)
        .expect("a vector takes everything, and the pixels fill the square");
    jpeg
}

/// One cell, in 640ths of the side.
fn cell(canvas: &mut Canvas, row: usize, column: usize, colour: Colour, round: bool) {
    const SIZE: f32 = 76.0;
    const LEFT: f32 = (640.0 - SIZE * CELLS as f32) / 2.0;
    const TOP: f32 = 62.0;
    const GAP: f32 = 6.0;
    let (x, y) = (LEFT + SIZE * column as f32, TOP + SIZE * row as f32);
    let radius = if round { (SIZE - GAP) / 2.0 } else { 14.0 };
    canvas.rounded_square(x + GAP / 2.0, y + GAP / 2.0, SIZE - GAP, radius, colour);
}

/// The last digits, below the cells.
fn write(canvas: &mut Canvas, text: &str, colour: Colour) {
    const DOT: f32 = 14.0;
    const TOP: f32 = 480.0;
    let advance = DOT * (digits::WIDTH + 1) as f32;
    let mut left = (640.0 - advance * text.len() as f32 + DOT) / 2.0;
    for digit in text.bytes() {
        for (row, line) in digits::shape(digit).iter().enumerate() {
            for column in (0..digits::WIDTH).filter(|column| line >> (digits::WIDTH - 1 - column) & 1 == 1) {
                let (x, y) = (left + DOT * column as f32, TOP + DOT * row as f32);
                canvas.rounded_square(x, y, DOT, 3.0, colour);
            }
        }
        left += advance;
    }
}

/// FNV-1a, mixed: the same on every machine and in every release, unlike the standard library's.
pub fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    mix(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}

/// SplitMix64's step: spreads every bit over all others.
fn mix(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ seed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ seed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_jpeg_and_another_number_another() {
        let first = draw("11001234567", PREVIEW);
        assert_eq!(first, draw("11001234567", PREVIEW));
        assert_ne!(first, draw("11001234568", PREVIEW));
        assert_eq!(first[..3], [0xff, 0xd8, 0xff]);
        assert_eq!(first[first.len() - 2..], [0xff, 0xd9]);
    }

    #[test]
    fn a_picture_s_bytes_stay_the_same_from_release_to_release() {
        assert_eq!(hash(draw("11001234567", PREVIEW).into_iter()), 1_131_441_329_763_415_886);
    }

    #[test]
    fn the_gallery_gives_preview_and_picture_apart_and_stays_small() {
        let gallery = Gallery::default();
        for number in 0..=KEPT {
            gallery.picture(&number.to_string(), true);
        }
        assert!(gallery.drawn.lock().expect("nobody panicked").len() <= KEPT);
        assert!(gallery.picture("1", true).len() < gallery.picture("1", false).len());
    }
}
