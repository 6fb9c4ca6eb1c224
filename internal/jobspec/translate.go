package jobspec

// KindTranslate turns a text of one language into another.
const KindTranslate = "translate"

// Translate is the payload of KindTranslate. Source and Target are canonical
// BCP 47 tags; Text is at most 64 KiB of UTF-8.
type Translate struct {
	Text   string `json:"text"`
	Source string `json:"source"`
	Target string `json:"target"`
}

// Translated is the result of KindTranslate.
type Translated struct {
	Text string `json:"text"`
	// Model is the name of the bundle that made it; two names joined by '+'
	// when the text went through a pivot of another bundle.
	Model string `json:"model"`
}
