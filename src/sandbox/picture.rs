//! The pictures: blocks drawn from the number, and URLs that look and expire like those of the service's picture hosts.

use hyper::Uri;
use jpeg_encoder::{ColorType, Encoder};
use ring::digest::{SHA256, digest};

pub const FOLDER: &str = "/pictures/";

/// Side of a picture in pixels.
const SIDE: usize = 640;

const DAY: u64 = 24 * 60 * 60;

/// Draws the picture of a number as JPEG. The same number always gives the same bytes.
pub fn draw(number: &str) -> Vec<u8> {
    draw_blocks(number, SIDE / 5)
}

/// Draws 5 × 5 blocks with sides of `block` pixels.
fn draw_blocks(number: &str, block: usize) -> Vec<u8> {
    let side = 5 * block;
    let digest = digest(&SHA256, number.as_bytes());
    let (blocks, colors) = digest.as_ref().split_at(15);
    // Four colours: a pale one, and three darker ones.
    let color = |index: usize| {
        let paint = |channel: &u8| if index == 0 { 208 + channel / 6 } else { channel / 4 * 3 };
        colors[index * 3..][..3].iter().map(paint).collect::<Vec<u8>>()
    };
    let mut pixels = Vec::with_capacity(side * side * 3);
    for row in blocks.chunks(3) {
        // The right half mirrors the left one.
        let line = [0, 1, 2, 1, 0].map(|column| color(usize::from(row[column] % 4)).repeat(block)).concat();
        pixels.extend(line.repeat(block));
    }
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 88)
        .encode(&pixels, side as u16, side as u16, ColorType::Rgb)
        .expect("a vector can be written, and the pixels fill the square");
    jpeg
}

/// The URL of a number's picture. It is valid for a week from `unix`, to the next midnight, so that it is the same all
/// day.
pub fn url(api_url: &str, number: &str, unix: u64) -> String {
    let expiry = (unix / DAY + 8) * DAY;
    format!("{api_url}{FOLDER}{number}.jpg?ccb=11-4&oh={}&oe={expiry:08X}", signature(number, expiry))
}

/// The number of the picture at a URL. `None` if the URL has expired or is not one that [`url`] made.
pub fn find(url: &Uri, unix: u64) -> Option<&str> {
    let number = url.path().strip_prefix(FOLDER)?.strip_suffix(".jpg")?;
    let parameter = |name: &str| url.query()?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let expiry = u64::from_str_radix(parameter("oe")?, 16).ok()?;
    (expiry > unix && parameter("oh")? == signature(number, expiry)).then_some(number)
}

/// A checksum that shows whether a URL was changed. Not a secret.
fn signature(number: &str, expiry: u64) -> String {
    let digest = digest(&SHA256, format!("{number} {expiry}").as_bytes());
    digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbouring_numbers_have_different_pictures_and_each_always_the_same() {
        // Small blocks: large ones of the same colours differ as well, and take minutes to encode.
        let draw = |n| draw_blocks(&format!("11001234{n:03}"), 16);
        let pictures: HashSet<Vec<u8>> = (0..1000).map(draw).collect();
        assert_eq!(pictures.len(), 1000);
        assert!(pictures.contains(&draw(567)));
    }

    #[test]
    fn a_picture_is_a_whole_jpeg() {
        let picture = draw("11001234567");
        assert_eq!((&picture[..3], &picture[picture.len() - 2..]), (&[0xff, 0xd8, 0xff][..], &[0xff, 0xd9][..]));
    }

    const NOW: u64 = 1_700_000_000;

    fn parse(url: &str) -> Uri {
        url.parse().expect("a URL")
    }

    #[test]
    fn a_url_is_valid_for_a_week_and_the_same_all_day() {
        let made = url("http://a", "11001234567-15", NOW);
        assert_eq!(find(&parse(&made), NOW), Some("11001234567-15"));
        assert_eq!(find(&parse(&made), NOW + 7 * DAY), Some("11001234567-15"));
        assert_eq!(find(&parse(&made), NOW + 8 * DAY + 1), None);
        assert_eq!(url("http://a", "11001234567-15", NOW - NOW % DAY), made);
    }

    #[test]
    fn a_changed_url_is_refused() {
        let made = url("", "11001234567", NOW);
        for changed in [
            made.replace("567.jpg", "568.jpg"),
            made.replace("oe=6", "oe=7"),
            made.replace(FOLDER, "/pictures/../"),
            made.replace("11001234567.jpg", ""),
            "/pictures/11001234567.jpg".to_owned(),
        ] {
            assert_eq!(find(&parse(&changed), NOW), None, "{changed}");
        }
    }
}
