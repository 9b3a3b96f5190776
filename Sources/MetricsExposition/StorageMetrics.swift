import ManagementService
import PartitionManager

extension MetricsExposition {
    static func writeStorage(_ storage: StorageSummary, to output: inout PrometheusText) {
        output.family("hvroot_images", .gauge, "Images the server has.")
        output.sample("hvroot_images", [:], UInt64(clamping: storage.images))
        output.family("hvroot_image_bytes", .gauge, "Bytes of the images' files, their holes among them.")
        output.sample("hvroot_image_bytes", [:], storage.imageBytes)
        output.family("hvroot_image_uploaded_bytes_total", .counter, "Bytes of images taken from clients.")
        output.sample("hvroot_image_uploaded_bytes_total", [:], storage.uploadedBytes)
        output.family("hvroot_volumes", .gauge, "Volumes the server has.")
        output.sample("hvroot_volumes", [:], UInt64(clamping: storage.volumes))
        output.family("hvroot_volume_bytes", .gauge, "Bytes of the volumes as guests see them.")
        output.sample("hvroot_volume_bytes", [:], storage.volumeBytes)
    }
}
