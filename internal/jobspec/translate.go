package jobspec

// KindTranslate turns a text of one language into another.
const KindTranslate = "translate"

// Translate is the payload of KindTranslate. Source and Target are canonical
// BCP 47 tags; Text is at most 64 KiB of UTF-8.
type Translate struct {
	Text   string `json:"text"`
	Source string `json:"source"`
	Target string `json:"target"`
	// Format is what the text is written in: plain text when it is empty.
	Format Format `json:"format,omitempty"`
	// Terms are those of the owner's glossary that may occur in the text, at most MaxTerms.
	Terms []Term `json:"terms,omitempty"`
}

// MaxQueryRunes is how many characters the text of a TranslateQuery may have.
const MaxQueryRunes = 255

// TranslateQuery is the payload of a Query of KindTranslate: a short text that somebody
// waits for, of at most MaxQueryRunes characters, from one language directly into another.
type TranslateQuery struct {
	Text   string `json:"text"`
	Source string `json:"source"`
	Target string `json:"target"`
}

// TranslateAnswer is the payload of the Answer to a TranslateQuery. Text is what a job
// would give.
type TranslateAnswer struct {
	Model  string `json:"model"`
	Digest string `json:"digest"`
	Text   string `json:"text"`
}

// MaxTerms is how many terms a glossary has at most.
const MaxTerms = 200

// Term is a word, or several, and what it is to be called in the other language.
type Term struct {
	Term        string `json:"term"`
	Translation string `json:"translation"`
}

// Format is what a text is written in.
type Format string

// FormatHTML is HTML, a document or a part of one: tags and comments stay as they are.
const FormatHTML Format = "html"

// Translated is the result of KindTranslate.
type Translated struct {
	Text string `json:"text"`
	// Model is the name of the bundle that made it; two names joined by '+'
	// when the text went through a pivot of another bundle.
	Model string `json:"model"`
	// Alternatives are other ways to translate the text, the best first, at most
	// MaxAlternatives; none for a long text, and none of a model without beams.
	Alternatives []Alternative `json:"alternatives,omitempty"`
}

// MaxAlternatives is how many a translation has at most.
const MaxAlternatives = 10

// Alternative is another way to translate a text, in which some sentences are said otherwise.
type Alternative struct {
	Text string `json:"text"`
	// Score is how much less the model favours it than the translation, 0 or less: for each
	// sentence the difference of what beams are ranked by, the log-probability over the
	// number of tokens to the power of the length penalty, and the sum of these.
	Score float64 `json:"score"`
}
