package dialog

// OnForgot has f told after each round of the janitor. Call it before Run.
func (s *Service) OnForgot(f func(error)) { s.forgot = f }

// EraseStep and ExportStep are how many dialogs are erased and exported at a time.
const (
	EraseStep  = eraseStep
	ExportStep = exportStep
	ExpireStep = expireStep
)
