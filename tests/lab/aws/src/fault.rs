//! Weather: what a service does instead of answering.

/// A fault of a service, switched on with [`crate::Aws::set_fault`] (STS) and [`crate::Aws::set_fault_of`]. The databases' verifiers are not touched by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// 400 `Throttling`, "Rate exceeded".
    Throttle,
    /// 500 `InternalFailure`.
    InternalFailure,
    /// 503 `ServiceUnavailable`.
    ServiceUnavailable,
    /// Reads the request and never answers; the connection stays open.
    Hang,
    /// 200 with XML that ends in the middle.
    Malformed,
    /// `fault` for the next `count` calls, then none.
    Next { count: u32, fault: Box<Self> },
}

impl Fault {
    /// The fault for one call: never `Next`, which is counted down.
    pub(crate) fn take(&mut self) -> Self {
        let Self::Next { count, fault } = self else { return self.clone() };
        let Some(left) = count.checked_sub(1) else {
            *self = Self::None;
            return Self::None;
        };
        let taken = fault.take();
        *count = left;
        if left == 0 {
            *self = Self::None;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_is_counted_down() {
        let mut fault = Fault::Next { count: 2, fault: Box::new(Fault::Throttle) };
        let seen: Vec<_> = (0..4).map(|_| fault.take()).collect();
        assert_eq!(seen, [Fault::Throttle, Fault::Throttle, Fault::None, Fault::None]);
        assert_eq!(Fault::Next { count: 0, fault: Box::new(Fault::Hang) }.take(), Fault::None);
        let mut lasting = Fault::Hang;
        assert_eq!([lasting.take(), lasting.take()], [Fault::Hang, Fault::Hang]);
    }
}
