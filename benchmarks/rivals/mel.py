"""Samples to log-mel in librosa, torchaudio, kaldi-native-fbank and DALI, with earshot's settings."""
import argparse
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy

import worker

RATE, LENGTH, HOP, BANDS = 44100, 2048, 256, 128


def decibels(power):
    """20 log10(max(1e-5, mel power)), floored 80 dB below the clip's maximum."""
    db = 20 * numpy.log10(numpy.maximum(numpy.float32(1e-5), power))
    return numpy.maximum(db, db.max() - 80)


def librosa_clip(wave):
    import librosa
    power = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=LENGTH, hop_length=HOP,
                                           window="hann", center=True, pad_mode="reflect",
                                           power=2.0, n_mels=BANDS, fmin=0, fmax=RATE / 2,
                                           htk=False, norm="slaney")
    return librosa.amplitude_to_db(power, ref=1.0, amin=1e-5, top_db=80)


def kaldi_clip(wave):
    import kaldi_native_fbank as knf
    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.dither, frame.preemph_coeff = RATE, 0.0, 0.0
    frame.remove_dc_offset, frame.window_type = False, "hann"
    frame.frame_length_ms, frame.frame_shift_ms = 1000 * LENGTH / RATE, 1000 * HOP / RATE
    frame.snip_edges = True
    mel.num_bins, mel.low_freq, mel.high_freq = BANDS, 0.0, RATE / 2
    mel.is_librosa, mel.norm, mel.use_slaney_mel_scale = True, "slaney", True
    options.use_log_fbank, options.use_power, options.use_energy = False, True, False
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(RATE, numpy.pad(wave, LENGTH // 2, mode="reflect"))
    fbank.input_finished()
    frames = [fbank.get_frame(i) for i in range(fbank.num_frames_ready)]
    return decibels(numpy.stack(frames)).T


def per_clip(function, waves, variant, threads):
    """Clips one after another, or spread over threads or processes."""
    if variant == "one thread":
        return lambda: [function(wave) for wave in waves]
    pool = (ThreadPoolExecutor if variant == "threads" else ProcessPoolExecutor)(threads)
    return lambda: list(pool.map(function, waves))


def torchaudio_batch(waves, device, threads):
    import torch

    import torchaudio_alone
    torch.set_num_threads(threads)
    mel = torchaudio_alone.transforms.MelSpectrogram(
        RATE, n_fft=LENGTH, hop_length=HOP, n_mels=BANDS, f_min=0.0, f_max=RATE / 2, power=2.0,
        center=True, pad_mode="reflect", norm="slaney", mel_scale="slaney").to(device)
    batch = torch.from_numpy(waves).to(device)

    def extract():
        db = 20 * torch.log10(torch.clamp(mel(batch), min=1e-5))
        out = torch.maximum(db, db.amax((1, 2), keepdim=True) - 80)
        if device != "cpu":
            torch.cuda.synchronize()
        return out
    return extract


def dali_batch(waves, device, threads):
    """Samples and results stay on the device, as in the others."""
    import nvidia.dali
    from nvidia.dali import fn
    place = "cpu" if device == "cpu" else "gpu"
    pipeline = nvidia.dali.Pipeline(
        batch_size=len(waves), num_threads=threads, prefetch_queue_depth=1, exec_async=False,
        exec_pipelined=False, device_id=None if place == "cpu" else int(device.partition(":")[2] or 0))
    hann = (0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(LENGTH) / LENGTH)).tolist()
    batch = waves
    if place == "gpu":
        import torch
        batch = torch.from_numpy(waves).to(device)
    with pipeline:
        wave = fn.external_source(source=lambda: batch, batch=True, device=place)
        power = fn.spectrogram(wave, nfft=LENGTH, window_length=LENGTH, window_step=HOP,
                               window_fn=hann, center_windows=True, reflect_padding=True, power=2)
        mel = fn.mel_filter_bank(power, sample_rate=RATE, nfilter=BANDS, freq_low=0,
                                 freq_high=RATE / 2, mel_formula="slaney", normalize=True)
        db = fn.to_decibels(mel, multiplier=20, reference=1, cutoff_db=-100)
        pipeline.set_outputs(nvidia.dali.math.max(db, fn.reductions.max(db) - 80))
    pipeline.build()

    def extract():
        (out,) = pipeline.run()
        if place == "gpu":
            torch.cuda.synchronize()
        return out
    return extract


def on_host(clips):
    """[clip, band, frame] of whatever `extract` returned."""
    if hasattr(clips, "as_cpu"):
        clips = clips.as_cpu().as_array()
    return numpy.stack([clip.cpu().numpy() if hasattr(clip, "cpu") else clip for clip in clips])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", required=True)
    parser.add_argument("--rival", required=True, choices=("librosa", "torchaudio", "kaldi", "dali"))
    parser.add_argument("--variant", required=True, choices=("one thread", "threads", "processes"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    tensors, metadata = worker.read_safetensors(options.case)
    if options.rival in ("torchaudio", "dali"):
        batched = torchaudio_batch if options.rival == "torchaudio" else dali_batch
        extract = batched(tensors["wave"], options.device, options.threads)
    else:
        function = librosa_clip if options.rival == "librosa" else kaldi_clip
        extract = per_clip(function, list(tensors["wave"]), options.variant, options.threads)
    got = on_host(extract())
    expected = tensors["mel"]
    if metadata["layout"] == "frames, bands":
        expected = expected.transpose(0, 2, 1)
    difference = (float(numpy.abs(got - expected).max()) if got.shape == expected.shape else
                  float("inf"))
    worker.serve({"engine": options.rival, "largest_difference_db": difference}, extract)


if __name__ == "__main__":
    main()
