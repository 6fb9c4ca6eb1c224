package account

// Stamped waits until no use of a key is being written down.
func (s *Service) Stamped() {
	for range stampsAtOnce {
		s.keys.stamping <- struct{}{}
	}
	for range stampsAtOnce {
		<-s.keys.stamping
	}
}

// Remembered gives how many keys, and how many refused secrets, the service
// remembers.
func (s *Service) Remembered() (known, refused int) { return s.keys.known.Len(), s.keys.refused.Len() }
