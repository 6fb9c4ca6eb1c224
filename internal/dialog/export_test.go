package dialog

// EraseStep and ExportStep are how many dialogs are erased and exported at a time.
const (
	EraseStep  = eraseStep
	ExportStep = exportStep
	ExpireStep = expireStep
)
