//! The first convolution, when it sees the picture's edge around it.

use crate::reference::{BOUND, convolve, error, gradient_bound, noise, turned, wide};
use crate::with;
use impasto_kernels::{Conv3x3, Gradient, Isa, Size};

/// Channels in, channels out, height, width.
const SHAPES: [(usize, usize, usize, usize); 9] = [
    (1, 1, 1, 1),
    (3, 8, 5, 7),
    (3, 64, 33, 18),
    (3, 64, 16, 64),
    (3, 16, 1, 37),
    (3, 5, 41, 1),
    (5, 7, 4, 4),
    (3, 4, 22, 601),
    (3, 64, 15, 129),
];

/// Where each place of a picture in a frame comes from in the picture.
fn sources(size: Size) -> impl Iterator<Item = usize> {
    let near = |place: usize, extent: usize| place.saturating_sub(1).min(extent - 1);
    (0..size.height + 2).flat_map(move |row| {
        (0..size.width + 2).map(move |col| near(row, size.height) * size.width + near(col, size.width))
    })
}

fn framed(size: Size) -> Size {
    Size {
        height: size.height + 2,
        width: size.width + 2,
    }
}

/// The picture with its edge repeated.
fn replicated(x: &[f64], size: Size) -> Vec<f64> {
    x.chunks_exact(size.area())
        .flat_map(|plane| sources(size).map(|source| plane[source]))
        .collect()
}

/// What lies inside of the frame.
fn inner(x: &[f64], size: Size) -> Vec<f64> {
    let framed = framed(size);
    x.chunks_exact(framed.area())
        .flat_map(|plane| plane.chunks_exact(framed.width).skip(1).take(size.height))
        .flat_map(|row| row[1..=size.width].iter().copied())
        .collect()
}

fn forward_is_the_convolution_of_the_picture_in_a_frame_of_its_edge(isa: Isa) {
    for (inputs, outputs, height, width) in SHAPES {
        let size = Size { height, width };
        let (weights, bias) = (noise(outputs * inputs * 9, 1), noise(outputs, 2));
        let conv = Conv3x3::new(&weights, &bias, inputs, isa);
        let x = noise(inputs * size.area(), 3);
        let wide_x = replicated(&wide(&x), size);
        let y = convolve(&wide_x, &wide(&weights), inputs, outputs, framed(size));
        let mut want = inner(&y, size);
        for (want, &bias) in want.chunks_exact_mut(size.area()).zip(&bias) {
            want.iter_mut().for_each(|y| *y = (*y + f64::from(bias)).max(0.0));
        }
        let (mut y, mut mask) = (vec![f32::NAN; want.len()], vec![255; want.len()]);
        with(2, |exec| {
            conv.forward_replicated(&x, size, &mut y, Some(&mut mask), exec)
        });
        assert!(mask.iter().zip(&y).all(|(&mask, &y)| mask == u8::from(y > 0.0)));
        let e = error(&y, &want);
        assert!(e < BOUND, "{e:e} {isa:?} {inputs} {outputs} {size:?}");
    }
}

fn backward_gives_the_edge_what_its_repetitions_get(isa: Isa) {
    for (inputs, outputs, height, width) in SHAPES {
        let size = Size { height, width };
        let weights = noise(outputs * inputs * 9, 1);
        let conv = Conv3x3::new(&weights, &vec![0.1; outputs], inputs, isa);
        let dy = noise(outputs * size.area(), 4);
        let mask: Vec<u8> = noise(dy.len(), 5).iter().map(|&y| u8::from(y > 0.0)).collect();
        let large = framed(size);
        let mut masked = vec![0.0; outputs * large.area()];
        for (i, (&dy, &mask)) in dy.iter().zip(&mask).enumerate() {
            let (channel, row, col) = (i / size.area(), i % size.area() / width, i % width);
            let place = (channel * large.height + row + 1) * large.width + col + 1;
            masked[place] = f64::from(dy) * f64::from(mask);
        }
        let turned = turned(&wide(&weights), inputs, outputs);
        let spread = convolve(&masked, &turned, outputs, inputs, large);
        let mut want = vec![0.0; inputs * size.area()];
        let planes = want.chunks_exact_mut(size.area());
        for (want, spread) in planes.zip(spread.chunks_exact(large.area())) {
            sources(size)
                .zip(spread)
                .for_each(|(source, value)| want[source] += value);
        }
        let mut dx = vec![f32::NAN; want.len()];
        let (dy, mask) = (&dy[..], &mask[..]);
        with(2, |exec| {
            conv.backward_replicated(Gradient::Masked { dy, mask }, size, &mut dx, exec)
        });
        let e = error(&dx, &want);
        assert!(
            e < gradient_bound(isa),
            "{e:e} {isa:?} {inputs} {outputs} {size:?}"
        );
    }
}

#[test]
fn backward_is_the_adjoint_of_forward() {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    for (inputs, outputs, height, width) in SHAPES {
        let size = Size { height, width };
        // So large a bias that every output is positive, and linear in the input.
        let conv = |bias: f32| {
            Conv3x3::new(
                &noise(outputs * inputs * 9, 1),
                &vec![bias; outputs],
                inputs,
                Isa::detect(),
            )
        };
        let conv = conv(9.0 * inputs as f32);
        let (x, dy) = (noise(inputs * size.area(), 3), noise(outputs * size.area(), 4));
        let (mut y, mut at_zero, mut dx) = (dy.clone(), dy.clone(), x.clone());
        with(1, |exec| {
            conv.forward_replicated(&x, size, &mut y, None, exec);
            conv.forward_replicated(&vec![0.0; x.len()], size, &mut at_zero, None, exec);
            conv.backward_replicated(Gradient::Whole(&dy), size, &mut dx, exec);
        });
        let linear: Vec<f32> = y.iter().zip(&at_zero).map(|(y, zero)| y - zero).collect();
        let difference = (dot(&linear, &dy) - dot(&x, &dx)).abs();
        let scale = dot(&y, &y).sqrt() * dot(&dy, &dy).sqrt();
        assert!(
            difference < gradient_bound(Isa::detect()) * scale,
            "{difference:e} of {scale:e} {size:?}"
        );
    }
}

fn bytes_do_not_depend_on_threads(isa: Isa) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (inputs, outputs, height, width) in SHAPES {
        let size = Size { height, width };
        let conv = Conv3x3::new(&noise(outputs * inputs * 9, 1), &noise(outputs, 2), inputs, isa);
        let (x, dy) = (noise(inputs * size.area(), 3), noise(outputs * size.area(), 4));
        let all = |threads: usize| {
            let (mut y, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
            let mut mask = vec![255; dy.len()];
            with(threads, |exec| {
                conv.forward_replicated(&x, size, &mut y, Some(&mut mask), exec);
                let (dy, mask) = (&dy[..], &mask[..]);
                conv.backward_replicated(Gradient::Masked { dy, mask }, size, &mut dx, exec);
            });
            (bits(&y), mask, bits(&dx))
        };
        let one = all(1);
        for threads in [2, 3, 16] {
            assert!(all(threads) == one, "{threads} threads, {isa:?} {size:?}");
        }
    }
}

crate::on_every_instruction_set! {
    forward_is_the_convolution_of_the_picture_in_a_frame_of_its_edge
    backward_gives_the_edge_what_its_repetitions_get
    bytes_do_not_depend_on_threads
}
