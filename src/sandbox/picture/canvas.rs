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
        for y in rows {
            for x in columns.clone() {
                let across = ((x as f32 + 0.5 - middle_x).abs() - half + radius).max(0.0);
                let down = ((y as f32 + 0.5 - middle_y).abs() - half + radius).max(0.0);
                // How far outside the edge the pixel's middle lies; half a pixel either way is a blend.
                let outside = (across * across + down * down).sqrt() - radius;
                let cover = (0.5 - outside).clamp(0.0, 1.0);
                let at = (y * self.side + x) * 3;
                for (pixel, ink) in self.pixels[at..at + 3].iter_mut().zip(colour.0) {
                    let paper = f32::from(*pixel);
                    *pixel = (paper + (f32::from(ink) - paper) * cover + 0.5) as u8;
                }
            }
        }
    }
}
