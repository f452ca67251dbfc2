//! What a client comes back to.

use crate::access::Access;
use crate::session::Session;
use crate::texts::Texts;

pub struct Stream {
    pub texts: Texts,
    pub session: Session,
    pub closed: bool,
}

impl Stream {
    pub fn new(access: Access) -> Stream {
        Stream {
            texts: Texts::default(),
            session: Session::new(access),
            closed: false,
        }
    }
}
