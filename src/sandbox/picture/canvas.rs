//! A square of pixels that rounded squares are painted on, smooth at their edges. Measures are 640ths of the side, whatever the
//! side. Knows nothing of what is painted.

/// Red, green, blue.
#[derive(Clone, Copy)]
pub struct Colour([u8; 3]);

impl Colour {
    /// From hue in degrees, saturation and lightness from 0 to 1.
    pub fn from_hsl(hue: f32, saturation: f32, lightness: f32) -> Colour {
        let reach = saturation * lightness.min(1.0 - lightness);
        let channel = |offset: f32| {
            let k = (offset + hue / 30.0) % 12.0;
            let value = lightness - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
            (value * 255.0 + 0.5) as u8
        };
        Colour([channel(0.0), channel(8.0), channel(4.0)])
    }
}

/// The square.
pub struct Canvas {
    side: usize,
    scale: f32,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A blank one.
    pub fn new(side: u16, paper: Colour) -> Canvas {
        let side = usize::from(side);
        Canvas { side, scale: side as f32 / 640.0, pixels: paper.0.repeat(side * side) }
    }

    /// Three bytes a pixel, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Paints a square with rounded corners; half its size as radius makes a disc.
    pub fn rounded_square(&mut self, left: f32, top: f32, size: f32, radius: f32, colour: Colour) {
        let [left, top, size, radius] = [left, top, size, radius].map(|measure| measure * self.scale);
        let half = size / 2.0;
        let (middle_x, middle_y) = (left + half, top + half);
        let reach = |from: f32| (from.max(0.0) as usize).min(self.side)..((from + size).ceil() as usize).min(self.side);
        let (columns, rows) = (reach(left), reach(top));
        // How much of a pixel is painted: half a pixel either way of the edge is a blend.
        let cover = |x: usize, down: f32| {
            let across = ((x as f32 + 0.5 - middle_x).abs() - half + radius).max(0.0);
            let outside = (across * across + down * down).sqrt() - radius;
            (0.5 - outside).clamp(0.0, 1.0)
        };
        let solid = colour.0.repeat(columns.len());
        for y in rows {
            let down = ((y as f32 + 0.5 - middle_y).abs() - half + radius).max(0.0);
            // The shape has no dents: between the first and the last pixel that is painted all over, all are.
            let is_full = |x: &usize| cover(*x, down) >= 1.0;
            let first = columns.clone().find(is_full).unwrap_or(columns.end);
            let end = columns.clone().rev().find(is_full).map_or(columns.end, |last| last + 1);
            let at = |x: usize| (y * self.side + x) * 3;
            if first < end {
                self.pixels[at(first)..at(end)].copy_from_slice(&solid[..(end - first) * 3]);
            }
            for x in (columns.start..first).chain(end..columns.end) {
                let cover = cover(x, down);
                for (pixel, ink) in self.pixels[at(x)..at(x + 1)].iter_mut().zip(colour.0) {
                    let paper = f32::from(*pixel);
                    *pixel = (paper + (f32::from(ink) - paper) * cover + 0.5) as u8;
                }
            }
        }
    }
}
