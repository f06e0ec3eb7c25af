//! Going through a listing, page after page.

use countersign_provider::store::Page;

use super::Failure;

/// How many records a page has.
const SIZE: usize = 1000;

/// All of a listing.
pub(super) async fn all<T, E>(
    mut page: impl AsyncFnMut(Page) -> Result<(Vec<T>, Option<Box<str>>), E>,
) -> Result<Vec<T>, Failure>
where
    Failure: From<E>,
{
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let (found, next) = page(Page { after, size: SIZE }).await?;
        all.extend(found);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}
