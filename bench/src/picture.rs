//! A row as lines in an SVG.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use crate::measured::{Picture, Series};

const SIZE: (u32, u32) = (760, 420);
const FONT: &str = "sans-serif";
/// Shades of one colour for each program.
const OURS: [RGBColor; 4] = [
    RGBColor(8, 81, 156),
    RGBColor(49, 130, 189),
    RGBColor(107, 174, 214),
    RGBColor(158, 202, 225),
];
const THEIRS: [RGBColor; 4] = [
    RGBColor(166, 54, 3),
    RGBColor(230, 85, 13),
    RGBColor(253, 141, 60),
    RGBColor(253, 190, 133),
];

pub fn draw(path: &Path, title: &str, picture: Picture, series: &[Series]) -> Result<()> {
    let points = || series.iter().flat_map(|of| of.points.iter().copied());
    let (mut low, mut high) = ((f64::INFINITY, f64::INFINITY), (0.0_f64, 0.0_f64));
    for (x, y) in points() {
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x), high.1.max(y));
    }
    if high == (0.0, 0.0) {
        return Ok(());
    }
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root);
    chart
        .caption(title, (FONT, 18))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(64);
    if picture.logarithmic {
        let above = |value: f64| value.max(0.001);
        let x = (above(low.0) * 0.8..high.0 * 1.2).log_scale();
        let y = (above(low.1) * 0.8..high.1 * 1.2).log_scale();
        lines(chart.build_cartesian_2d(x, y)?, picture, series)?;
    } else {
        lines(
            chart.build_cartesian_2d(0.0..high.0 * 1.02, 0.0..high.1 * 1.05)?,
            picture,
            series,
        )?;
    }
    root.present()?;
    Ok(())
}

fn lines<'a, X, Y>(
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    picture: Picture,
    series: &[Series],
) -> Result<()>
where
    X: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(picture.x)
        .y_desc(picture.y)
        .label_style((FONT, 13))
        .draw()?;
    let (mut ours, mut theirs) = (OURS.iter().cycle(), THEIRS.iter().cycle());
    for of in series {
        let shades = match of.name.starts_with("seawall") {
            true => &mut ours,
            false => &mut theirs,
        };
        let color = *shades.next().unwrap_or(&BLACK);
        chart
            .draw_series(
                LineSeries::new(of.points.iter().copied(), color.stroke_width(2)).point_size(2),
            )?
            .label(&of.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}
