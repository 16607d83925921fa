//! What a run leaves for the next on the same graphs: idle sessions by their input, and the statistics of style images.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::session::Session;
use sha2::{Digest as _, Sha256};

use super::StyleImage;
use super::forward::Means;
use super::tiles::Window;

/// The most sessions that wait for a further run, and the most pixels that they see together: those of one picture of 512 x
/// 512, at which building a session takes a thousandth of a run.
const SESSIONS: usize = 8;
const PIXELS: u64 = 512 * 512;
/// The most style images whose means are kept: some 5 MB each.
const STYLES: usize = 16;

/// What is kept for further runs.
#[derive(Default)]
pub(super) struct Reuse {
    /// Whether anything is.
    is_on: bool,
    /// Sessions that no run has, the last used at the end.
    idle: Mutex<Vec<(Key, Session)>>,
    means: Mutex<Vec<(Digest, Vec<Means>)>>,
}

/// The pictures that a session sees; sizes are width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pictures {
    /// Pictures of any size; the session is made for a few runs.
    Any,
    /// Whole pictures of one size: the graph's symbolic shape is fixed, so that ONNX Runtime folds shapes, and the session is made for
    /// many runs.
    Whole((u32, u32)),
    /// Tiles of one size, parts of larger pictures.
    Tiles((u32, u32)),
}

impl Pictures {
    /// How many pixels the session sees; none where it takes no memory for them between runs.
    pub(super) fn pixels(self) -> u64 {
        match self {
            Pictures::Any => 0,
            Pictures::Whole((width, height)) | Pictures::Tiles((width, height)) => {
                u64::from(width) * u64::from(height)
            }
        }
    }
}

/// What a session is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The sha256 of its graph.
    pub graph: String,
    pub pictures: Pictures,
    pub regions: usize,
}

/// The sha256 of a style image, its guides, and the windows it is seen in.
pub(super) type Digest = [u8; 32];

/// A session that waits for a further run when this one has done with it.
pub(super) struct Held {
    key: Key,
    session: ManuallyDrop<Session>,
    reuse: Arc<Reuse>,
}

impl Reuse {
    /// From now on sessions and means are kept.
    pub(super) fn on() -> Arc<Reuse> {
        Arc::new(Reuse {
            is_on: true,
            ..Reuse::default()
        })
    }

    /// A session that has waited, or the one that `build` makes.
    pub(super) fn session<E>(
        self: &Arc<Self>,
        key: Key,
        build: impl FnOnce() -> Result<Session, E>,
    ) -> Result<Held, E> {
        let waiting = {
            let mut idle = lock(&self.idle);
            let place = idle.iter().position(|(known, _)| *known == key);
            place.map(|place| idle.remove(place).1)
        };
        Ok(Held {
            session: ManuallyDrop::new(waiting.map_or_else(build, Ok)?),
            key,
            reuse: Arc::clone(self),
        })
    }

    /// Drops all sessions that wait.
    pub(super) fn forget_sessions(&self) {
        lock(&self.idle).clear();
    }

    fn keep(&self, key: Key, session: Session) {
        if !self.is_on {
            return;
        }
        let mut idle = lock(&self.idle);
        idle.push((key, session));
        let pixels = |idle: &[(Key, Session)]| idle.iter().map(|(key, _)| key.pictures.pixels()).sum::<u64>();
        while idle.len() > SESSIONS || pixels(&idle) > PIXELS {
            idle.remove(0);
        }
    }

    /// What a style image comes to that is seen in such windows: as it was, or as `see` says.
    pub(super) fn means<E>(
        &self,
        style: &StyleImage<'_>,
        window: Window,
        see: impl FnOnce() -> Result<Vec<Means>, E>,
    ) -> Result<Vec<Means>, E> {
        if !self.is_on {
            return see();
        }
        let Some(digest) = digest(style, window) else {
            return see();
        };
        let known = lock(&self.means)
            .iter()
            .find(|(known, _)| *known == digest)
            .map(|(_, means)| means.clone());
        if let Some(means) = known {
            return Ok(means);
        }
        let seen = see()?;
        let mut means = lock(&self.means);
        means.push((digest, seen.clone()));
        if means.len() > STYLES {
            means.remove(0);
        }
        Ok(seen)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// None for an array that does not lie in memory as it counts.
fn digest(style: &StyleImage<'_>, window: Window) -> Option<Digest> {
    let mut digest = Sha256::new();
    digest.update(window.width.to_ne_bytes());
    digest.update(window.height.to_ne_bytes());
    let guides = style.guides.unwrap_or_default().iter();
    for array in [style.image].into_iter().chain(guides.map(|guide| guide.view())) {
        for extent in array.shape() {
            digest.update(extent.to_ne_bytes());
        }
        digest.update(bytemuck::cast_slice(array.as_slice()?));
    }
    Some(digest.finalize().into())
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: nothing looks at it after this.
        let session = unsafe { ManuallyDrop::take(&mut self.session) };
        self.reuse.keep(self.key.clone(), session);
    }
}

impl Deref for Held {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl fmt::Debug for Reuse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions: Vec<Key> = lock(&self.idle).iter().map(|(key, _)| key.clone()).collect();
        formatter
            .debug_struct("Reuse")
            .field("sessions", &sessions)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ndarray::Array4;

    use super::*;
    use crate::model::{GraphOptions, Graphs, LossGradient as _, Weights};
    use crate::runtime::{Engine, LibraryQuery, Request, Runtime};

    fn picture(width: usize, seed: usize) -> Array4<f32> {
        Array4::from_shape_fn((1, 3, 24, width), |(_, channel, y, x)| {
            ((x * 37 + y * 101 + channel * 53 + seed * 17) % 251) as f32 - 120.0
        })
    }

    /// An engine of one thread, and graphs that keep nothing for further runs.
    fn loaded() -> (Engine, Graphs) {
        let runtime = Runtime::load(&LibraryQuery::default()).unwrap();
        let engine = Engine::start(&runtime, &Request::default(), 1).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let graphs = Graphs::open(&folder, "gatys", &GraphOptions::default()).unwrap();
        (engine, graphs)
    }

    /// The loss and the gradient at a picture of this width.
    fn run(graphs: &Graphs, engine: &Engine, width: usize) -> (f64, Vec<f32>) {
        let (content, style) = (picture(width, 1), picture(28, 2));
        let mut features = graphs.features(engine).unwrap();
        let targets = features.targets(content.view(), &[(style.view(), 1.0)]).unwrap();
        let weights = Weights::uniform(&graphs.loss_gradient, 1e3, 1.0, 1e-3);
        let mut loss = graphs.loss_gradient(engine, &targets, weights).unwrap();
        let image = picture(width, 3).into_raw_vec_and_offset().0;
        let mut gradient = vec![0.0; image.len()];
        (
            loss.evaluate(&image, &mut gradient, &mut |_| {}).unwrap().loss,
            gradient,
        )
    }

    #[test]
    fn sessions_and_a_style_s_means_serve_the_next_run_with_the_same_results() {
        let (engine, alone) = loaded();
        let kept = alone.clone().for_many_runs();
        let waiting = |graphs: &Graphs| (lock(&graphs.reuse.idle).len(), lock(&graphs.reuse.means).len());
        // Forward and targets of any size, and a loss for each of two.
        for (width, sessions) in [(32, 3), (40, 4), (32, 4)] {
            assert!(
                run(&kept, &engine, width) == run(&alone, &engine, width),
                "{width} pixels"
            );
            assert_eq!(waiting(&kept), (sessions, 1));
            assert_eq!(waiting(&alone), (0, 0));
        }
        kept.forget_sessions();
        assert_eq!(waiting(&kept), (0, 1));
    }

    #[test]
    fn another_arena_changes_no_result_of_sessions_on_it_or_on_the_first() {
        let (engine, built) = loaded();
        let kept = built.clone().for_many_runs();
        let before = run(&kept, &engine, 32);
        engine.expect_bytes(2 << 30).unwrap();
        assert!(run(&kept, &engine, 32) == before);
        assert!(run(&built, &engine, 32) == before);
    }
}
