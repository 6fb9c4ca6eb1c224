package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"parley/worker/bundle"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// cantRun stands for a kind of bundle that no family of models runs.
const cantRun = "can't run yet"

func modelsCommand() *cobra.Command {
	models := &cobra.Command{Use: "models", Short: "Model bundles: pull, list, verify, remove"}
	models.AddCommand(modelsPullCommand(), modelsListCommand(), modelsVerifyCommand(), modelsRemoveCommand())
	return models
}

func modelsVerifyCommand() *cobra.Command {
	var asJSON bool
	verify := &cobra.Command{
		Use: "verify [DIR…]", Short: "Check bundles: files and digests, that they load, and every case of reference.json",
		Long: `verify checks the bundles of the given folders, or all of the models folder: that every
file has the length and the SHA-256 of manifest.json, that the model loads, and that it
gives what reference.json has from the reference library, where there is one.`,
		Example: `  parley models verify
  parley models verify models/translate-mini --json`,
		RunE: func(cmd *cobra.Command, dirs []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			if len(dirs) == 0 {
				if dirs, err = bundle.List(cfg.Models); err != nil {
					return err
				}
				if len(dirs) == 0 {
					return fmt.Errorf("there is no bundle in %s; name folders, or get one with `parley models pull`", cfg.Models)
				}
			}
			findings := make([]*pipeline.Findings, 0, len(dirs))
			for _, dir := range dirs {
				f, err := model.Verify(cmd.Context(), dir, pipeline.Options{Library: cfg.ONNXLibrary, Threads: cfg.WorkerThreads})
				if err != nil {
					return fmt.Errorf("verify %s: %w", dir, err)
				}
				findings = append(findings, f)
			}
			return printFindings(cmd.OutOrStdout(), findings, asJSON)
		},
	}
	verify.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return verify
}
