package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// LibraryVariable is the environment variable that names the shared library.
const LibraryVariable = "ONNXRUNTIME_LIB"

// ErrNoLibrary is returned when ONNX Runtime's shared library was not found.
var ErrNoLibrary = errors.New("ONNX Runtime's shared library was not found: run `npm install onnxruntime-node` in the " +
	"working directory, or set " + LibraryVariable + " to the path of " + libraryName())

// libraryName is the file name of the shared library in the npm package.
func libraryName() string {
	switch runtime.GOOS {
	case "darwin":
		return "libonnxruntime.1.dylib"
	case "windows":
		return "onnxruntime.dll"
	}
	return "libonnxruntime.so.1"
}

// looseNames are the names that the library has where a package manager put it.
func looseNames() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{libraryName(), "libonnxruntime.dylib"}
	case "windows":
		return []string{libraryName()}
	}
	return []string{libraryName(), "libonnxruntime.so"}
}

// packagePath is where the npm package onnxruntime-node keeps the library.
func packagePath() string {
	system, arch := runtime.GOOS, runtime.GOARCH
	if system == "windows" {
		system = "win32"
	}
	if arch == "amd64" {
		arch = "x64"
	}
	return filepath.Join("node_modules", "onnxruntime-node", "bin", "napi-v6", system, arch, libraryName())
}

// FindLibrary gives the path of ONNX Runtime's shared library: configured or,
// when that is empty, LibraryVariable; beside the executable; in node_modules
// of the working directory and its parents. It gives "" when it is in none of
// these places, so that only the loader's own path is left. A path that was
// named and does not exist is an error.
func FindLibrary(configured string) (string, error) {
	if configured == "" {
		configured = os.Getenv(LibraryVariable)
	}
	if configured != "" {
		if !isFile(configured) {
			return "", fmt.Errorf("ONNX Runtime's shared library: there is no file %s (%s or the setting names it)", configured, LibraryVariable)
		}
		return filepath.Abs(configured)
	}
	if executable, err := os.Executable(); err == nil {
		for _, name := range looseNames() {
			if path := filepath.Join(filepath.Dir(executable), name); isFile(path) {
				return path, nil
			}
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", nil //nolint:nilerr // without a working directory the loader's path is left
	}
	for {
		if path := filepath.Join(dir, packagePath()); isFile(path) {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", nil
		}
		dir = parent
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// started guards the environment of ONNX Runtime, of which a process has one.
var started struct {
	sync.Mutex
	done bool
}

// telemetryVariable, set to 1 before ONNX Runtime is loaded, keeps it from collecting
// what it is used for.
const telemetryVariable = "ORT_DISABLE_TELEMETRY"

// declineTelemetry keeps ONNX Runtime from telemetry, which the library of the npm package
// (seen with 1.30.0 on Linux) does unless told not to: it makes a device's id, and queues
// events for Microsoft in a database below the home folder. With cgo os.Setenv reaches the C
// environment, which the library reads. What an operator has set stays.
func declineTelemetry() error {
	if _, set := os.LookupEnv(telemetryVariable); set {
		return nil
	}
	return os.Setenv(telemetryVariable, "1")
}

// Start loads the shared library; configured is as for FindLibrary. Only the
// first successful call does anything, and what it loaded stays until the
// process ends.
func Start(configured string) error {
	started.Lock()
	defer started.Unlock()
	if started.done {
		return nil
	}
	path, err := FindLibrary(configured)
	if err != nil {
		return err
	}
	if err := declineTelemetry(); err != nil {
		return fmt.Errorf("keep ONNX Runtime from telemetry: %w", err)
	}
	candidates := []string{path}
	if path == "" {
		candidates = looseNames()
	}
	for _, candidate := range candidates {
		ort.SetSharedLibraryPath(candidate)
		if err = ort.InitializeEnvironment(ort.WithLogLevelError()); err == nil {
			started.done = true
			return nil
		}
	}
	if path == "" {
		return ErrNoLibrary
	}
	return fmt.Errorf("load ONNX Runtime from %s: %w", path, err)
}

// Version names the library and its version, for what is said of a result. It is "" before
// Start.
func Version() string {
	if !ort.IsInitialized() {
		return ""
	}
	return "onnxruntime " + ort.GetVersion()
}
